import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { createPipeline } from "../../src/index.js";
import type { AuditEvent } from "../../src/model/event.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { write } from "../stores/contract-writing.js";

/*
 * A process may be killed with many steps running. Of each of them it is recorded what it had begun and what it was
 * told, whoever else's events stand between.
 */

interface Said {
  readonly what: "authorized" | "attempted" | "performed" | "completed" | "other";
  readonly step: number;
}

const said: fc.Arbitrary<Said> = fc.record({
  what: fc.constantFrom("authorized", "attempted", "performed", "completed", "other"),
  step: fc.nat({ max: 7 }),
});

/** Of eight steps: two agents, each in a run and outside of one. */
const members = (step: number) => ({
  request_id: `req-${step}`,
  agent_id: `agent-${step % 2}`,
  run_id: step % 4 < 2 ? `run-${step >> 2}` : null,
});

const types = {
  authorized: "step_execution_authorized",
  attempted: "effect_attempted",
  performed: "effect_performed",
  completed: "step_execution_completed",
  other: "x_note",
};

/** What a process says that keeps to the rules: nothing of a step before it is authorised or after it ended. */
function lawful(all: readonly Said[]): {
  readonly events: AuditEvent[];
  readonly open: Map<number, number[]>;
} {
  const open = new Map<number, number[]>();
  const over = new Set<number>();
  const events: AuditEvent[] = [];
  for (const { what, step } of all) {
    const counts = open.get(step);
    if (what === "authorized" ? counts !== undefined || over.has(step) : what !== "other" && !counts)
      continue;
    if (what === "authorized") open.set(step, [0, 0]);
    if (what === "attempted" && counts) counts[0] = (counts[0] ?? 0) + 1;
    if (what === "performed" && counts) counts[1] = (counts[1] ?? 0) + 1;
    if (what === "completed") over.add(step);
    if (what === "completed") open.delete(step);
    events.push({
      event: types[what],
      id: `evt-${events.length + 1}`,
      seq: events.length + 1,
      timestamp: "2026-01-01T00:00:00.000Z",
      protocol_version: "1.0",
      ...members(step),
      ...(what === "authorized" ? { charged: [], writer: "gone" } : {}),
    });
  }
  return { events, open };
}

const numberOf = (event: AuditEvent): number => Number((event["request_id"] as string).slice("req-".length));

async function unknownsOf(events: readonly AuditEvent[]): Promise<readonly AuditEvent[]> {
  const folder = mkdtempSync(join(tmpdir(), "synapse-unknown-"));
  try {
    const database = join(folder, "log.db");
    const driver = new SqliteDriver(database, { create: true });
    if (events.length > 0) write(driver, events);
    driver.close();
    const pipeline = await createPipeline({ database });
    const unknown = await pipeline.audit.getEvents({ event: "step_outcome_unknown" });
    await pipeline.close();
    return unknown;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("each step that was running is recorded as unknown, with what it had begun and was told", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(said, { maxLength: 60, size: "max" }), async (all) => {
      const { events, open } = lawful(all);
      const found = (await unknownsOf(events)).map((event) => [
        event["request_id"],
        [event["effects_attempted"], event["effects_performed"]],
      ]);
      expect(new Map(found as [string, number[]][])).toEqual(
        new Map([...open].map(([step, counts]) => [`req-${step}`, counts])),
      );
      expect(found).toHaveLength(open.size);
    }),
    { numRuns: 60 },
  );
});

it("of 3,000 steps of one agent that were running, with a use each, all are told apart", async () => {
  const all = Array.from({ length: 3_000 }, (_, step): Said[] => [
    { what: "authorized", step },
    { what: "attempted", step },
    ...(step % 3 === 0 ? [{ what: "performed" as const, step }] : []),
  ]).flat();
  const events = lawful(all).events.map((event) => ({ ...event, agent_id: "agent-0", run_id: null }));
  const unknown = await unknownsOf(events);
  expect(unknown).toHaveLength(3_000);
  for (const event of unknown) {
    expect(event["effects_attempted"]).toBe(1);
    expect(event["effects_performed"]).toBe(numberOf(event) % 3 === 0 ? 1 : 0);
  }
});
