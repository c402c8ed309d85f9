import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AuditEvent, createPipeline, type Pipeline } from "../../src/index.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { gather, startRunner } from "./fixtures/process.js";
import { programOf } from "../programs.js";

const opener = programOf("tests/stores/fixtures/opener.ts");

let folder: string;
let database: string;
let pipeline: Pipeline;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "synapse-processes-"));
  database = join(folder, "log.db");
  pipeline = await createPipeline({ database });
});

afterEach(async () => {
  await pipeline.close();
  rmSync(folder, { recursive: true, force: true });
});

async function bind(count: number, constraints: object = {}): Promise<string[]> {
  await pipeline.capabilityManager.issue({ capability: "crm:update", issuedBy: "operator" });
  const bindings = Array.from({ length: count }, (_, n) =>
    pipeline.bindingManager.bind({
      agentId: "a",
      capability: `crm:update:k${n}`,
      createdBy: "operator",
      constraints,
    }),
  );
  return (await Promise.all(bindings)).map((binding) => binding.id);
}

function expectWithoutGaps(events: readonly AuditEvent[]): void {
  expect(events.map((event) => event.seq)).toEqual(events.map((_, n) => n + 1));
  const stamps = events.map((event) => event.timestamp);
  expect(stamps).toEqual([...stamps].sort());
}

describe("two processes on one log", () => {
  it("no authorisation follows a revocation that has returned: 250 of them against a hot loop (D5, D7)", async () => {
    const ids = await bind(250);
    const runners = [1, 2].map(() => startRunner({ database, how: "loop", keys: ids.length }));
    await Promise.all(runners.map((runner) => runner.said("running")));
    const headAtReturn = new Map<string, number>();
    // In another order than the loops', and not ahead of them, so that they meet both what is left and what is gone.
    const order = ids.map((_, n) => ids[(n * 7) % ids.length] ?? "");
    for (const [n, id] of order.entries()) {
      if (n > 0 && n <= 150 && n % 25 === 0) {
        await Promise.all(runners.map((runner) => runner.said(`step ${n}`)));
      }
      expect(await pipeline.bindingManager.unbind(id, { revokedBy: "operator" })).toBe(true);
      const [last] = await pipeline.audit.getEvents({ newest: true, limit: 1 });
      headAtReturn.set(id, last?.seq ?? 0);
    }
    const reports = await Promise.all(runners.map((runner) => runner.stop()));
    const events = await pipeline.audit.getEvents();
    expectWithoutGaps(events);
    const revokedAt = new Map(
      events
        .filter((event) => event.event === "binding_revoked")
        .map((event) => [event["binding_id"], event.seq]),
    );
    const authorized = events.filter((event) => event.event === "step_execution_authorized");
    const late = authorized.filter((event) => event.seq > (revokedAt.get(event["binding_id"]) ?? Infinity));
    expect(late).toEqual([]);
    for (const id of ids) expect(revokedAt.get(id)).toBeLessThanOrEqual(headAtReturn.get(id) ?? 0);
    // Both sides were really at it: steps before revocations, and steps refused after them.
    expect(authorized.length).toBeGreaterThan(20);
    for (const report of reports) {
      expect(report.completed).toBeGreaterThan(0);
      expect(report.denied).toBeGreaterThan(0);
    }
  });

  it("three processes are granted `max_uses` together, exactly (K)", async () => {
    await bind(1, { max_uses: 100 });
    const runners = [1, 2, 3].map(() => startRunner({ database, how: "times", times: 150 }));
    const reports = await Promise.all(runners.map((runner) => runner.report()));
    expect(reports.flatMap((report) => report.others)).toEqual([]);
    expect(reports.reduce((sum, report) => sum + report.completed, 0)).toBe(100);
    expect(reports.reduce((sum, report) => sum + report.denied, 0)).toBe(350);
    const events = await pipeline.audit.getEvents();
    expectWithoutGaps(events);
    expect(events.filter((event) => event.event === "step_execution_authorized")).toHaveLength(100);
    const [binding] = await pipeline.bindingManager.getBindings("a");
    expect(binding?.uses).toBe(100);
  });

  it("both make progress, and each sees what the other wrote (E4)", async () => {
    await bind(1);
    const runner = startRunner({ database, how: "loop" });
    await runner.said("running");
    for (let n = 0; n < 100; n++) await pipeline.audit.emitEvent("x_mine", { n });
    const report = await runner.stop();
    expect(report.completed).toBeGreaterThan(0);
    expect(report.others).toEqual([]);
    const events = await pipeline.audit.getEvents();
    expectWithoutGaps(events);
    expect(events.filter((event) => event.event === "x_mine")).toHaveLength(100);
    expect(events.filter((event) => event.event === "step_execution_completed")).toHaveLength(
      report.completed,
    );
  });

  it.each(["unbind", "revoke", "suspend"] as const)(
    "a step that runs is stopped when another process says %s (D7)",
    async (how) => {
      const [id = ""] = await bind(1);
      const [contract] = await pipeline.capabilityManager.listContracts();
      const runner = startRunner({ database, how: "hold" });
      await runner.said("running");
      if (how === "unbind") await pipeline.bindingManager.unbind(id, { revokedBy: "operator" });
      if (how === "revoke")
        await pipeline.capabilityManager.revoke(contract?.id ?? "", { revokedBy: "operator" });
      if (how === "suspend") await pipeline.capabilityManager.suspend("a", { by: "operator" });
      expect(await runner.report()).toMatchObject({ completed: 0, others: ["revoked_while_running"] });
      const [completed] = await pipeline.audit.getEvents({ event: "step_execution_completed" });
      expect(completed).toMatchObject({ result: "failure", code: "revoked_while_running" });
    },
  );
});

describe("processes that make the same database at the same moment", () => {
  it("all open it: none takes the half-made file for a locked one or for somebody else's", async () => {
    const rounds = 25;
    const children = [1, 2, 3].map(() => {
      const child = spawn(process.execPath, [opener, folder, String(rounds)]);
      return { child, ...gather(child) };
    });
    await Promise.all(children.map(({ said }) => said("ready")));
    const first = Date.now() + 100;
    for (const { child } of children) child.stdin.write(`${first}\n`);
    for (const { ended } of children) expect(await ended).toMatchObject({ code: 0, stdout: "ready\n[]\n" });
    for (let round = 0; round < rounds; round++) {
      const driver = new SqliteDriver(join(folder, `new-${round}`, "log.db"), { create: false });
      expect(driver.eventsAfter(0)).toEqual([]);
      driver.close();
    }
  });
});
