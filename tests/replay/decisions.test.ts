/** Decisions are made again by the policy of their moment; a log that was edited behind its back says otherwise. */
import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../src/index.js";
import { isDiverged } from "../../src/replay/replay-log.js";
import { EvidenceError } from "../../src/model/errors.js";
import { divergenceOf, openRecording, type RecordingWorld } from "./recorded.js";
import { replayDatabase } from "./replay-database.js";
import { job } from "../core/world.js";

type Draft = { -readonly [member in keyof AuditEvent]: AuditEvent[member] };

/** Changes events in the database's file, and closes the world without the comparison that would find it out. */
function edit(world: RecordingWorld, change: (event: Draft) => void): void {
  const db = new Database(world.database);
  try {
    db.pragma("foreign_keys = OFF");
    for (const name of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all())
      db.exec(`DROP TRIGGER ${String(name)}`);
    const rows = db.prepare("SELECT seq, doc FROM events").all() as { seq: number; doc: string }[];
    for (const { seq, doc } of rows) {
      const event = JSON.parse(doc) as Draft;
      change(event);
      const edited = JSON.stringify(event);
      if (edited !== JSON.stringify(JSON.parse(doc)))
        db.prepare("UPDATE events SET doc = ? WHERE seq = ?").run(edited, seq);
    }
  } finally {
    db.close();
  }
}

async function steps(): Promise<RecordingWorld> {
  const world = await openRecording();
  await world.record("allowed", (_, { memory }) => memory.set("notes/a", 1));
  await world.pipeline.executor.executeStep(
    world.context({ stepId: "denied", requiredCapability: "job:run:a", action: job() }),
  );
  return world;
}

const replay = (world: RecordingWorld, stepId: string) =>
  replayDatabase(world.database, world.folder, [], { selects: (event) => event["step_id"] === stepId });

/** Replays one step of a log that was edited; then nothing is left that would be compared. */
async function afterEdit(stepId: string, change: (event: Draft) => void) {
  const world = await steps();
  edit(world, change);
  try {
    return (await replay(world, stepId))[0] as Awaited<ReturnType<typeof replay>>[number];
  } finally {
    await world.pipeline.close();
    rmSync(world.database);
  }
}

describe("the policy of the moment", () => {
  test("revoked, suspended, and allowed after the run: decided as it was", async () => {
    const world = await steps();
    await world.grant("agent", "job:run:**");
    for (const binding of await world.pipeline.bindingManager.listBindings())
      await world.pipeline.bindingManager.unbind(binding.id);
    for (const contract of await world.pipeline.capabilityManager.listContracts())
      await world.pipeline.capabilityManager.revoke(contract.id);
    await world.pipeline.capabilityManager.suspend("agent", { by: "operator" });
    const replays = await replayDatabase(world.database, world.folder);
    expect(replays.map(({ allowed, decision }) => [allowed, decision.status])).toEqual([
      [true, "identical"],
      [false, "identical"],
    ]);
  });

  test("an authority that has expired since was alive then; one that had not begun had not", async () => {
    const world = await openRecording();
    const soon = new Date(Date.now() + 700).toISOString();
    await world.grant("brief", "job:run:**", { expiresAt: soon });
    const step = (stepId: string) =>
      world.pipeline.executor.executeStep(
        world.context({ stepId, agentId: "brief", requiredCapability: "job:run:a", action: job() }),
      );
    expect(await step("before")).toMatchObject({ status: "completed" });
    while (Date.now() <= Date.parse(soon)) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await step("after")).toMatchObject({ status: "denied", reason: "binding_expired" });
    const replays = await replayDatabase(world.database, world.folder);
    expect(replays.map(({ step_id, allowed }) => [step_id, allowed])).toEqual([
      ["before", true],
      ["after", false],
    ]);
    expect(replays.filter(isDiverged)).toEqual([]);
  });

  test("uses and rates are counted as they were at each request, those of other requests too", async () => {
    const world = await openRecording();
    const constraints = { max_uses: 2, rate: { limit: 2, per: "1h" } };
    await world.grant("counted", "job:run:**", { constraints });
    const outcomes: string[] = [];
    for (const stepId of ["one", "two", "three"]) {
      const context = world.context({
        stepId,
        agentId: "counted",
        requiredCapability: "job:run:a",
        action: job(),
      });
      outcomes.push((await world.pipeline.executor.executeStep(context)).status);
    }
    expect(outcomes).toEqual(["completed", "completed", "denied"]);
    expect((await replay(world, "three"))[0]).toMatchObject({
      allowed: false,
      decision: { status: "identical" },
    });
    expect((await replayDatabase(world.database, world.folder)).filter(isDiverged)).toEqual([]);
  });
});

describe("a log that was edited behind its back", () => {
  test("a binding made wider: what was denied would be allowed", async () => {
    const diverged = await afterEdit("denied", (event) => {
      if (event.event === "capability_created" && event["capability"] === "memory:read:**")
        event["capability"] = "job:run:**";
      if (event.event === "binding_created" && event["capability"] === "memory:read:**") {
        event["capability"] = "job:run:**";
        if ("scope" in event) event["scope"] = "**";
      }
    });
    expect(divergenceOf(diverged)).toMatchObject({
      kind: "decision",
      recorded: { allowed: false, reason: "no_capability" },
      replayed: { allowed: true, binding_ids: [expect.stringMatching(/^bind_/)] },
    });
  });

  test("a binding made narrower: what was allowed would be denied", async () => {
    const diverged = await afterEdit("allowed", (event) => {
      if (event.event === "binding_created" && event["capability"] === "memory:write:notes/**") {
        event["capability"] = "memory:write:notes/other";
        event["scope"] = "notes/other";
      }
    });
    expect(divergenceOf(diverged)).toMatchObject({
      kind: "decision",
      recorded: { allowed: true },
      replayed: { allowed: false, reason: "no_binding_found" },
    });
  });

  test("another reason, other bindings, other charges, another place", async () => {
    const reason = await afterEdit("denied", (event) => {
      if (event.event === "step_execution_denied") event["reason"] = "binding_revoked";
    });
    expect(divergenceOf(reason)).toMatchObject({
      kind: "decision",
      recorded: { allowed: false, reason: "binding_revoked" },
      replayed: { allowed: false, reason: "no_capability" },
    });
    const swapped = await afterEdit("allowed", (event) => {
      if (event.event === "step_execution_authorized")
        event["binding_ids"] = [...(event["binding_ids"] as string[])].reverse();
    });
    const { recorded, replayed, kind } = divergenceOf(swapped);
    expect(kind).toBe("decision");
    const idsOf = (side: unknown) => (side as { readonly binding_ids: readonly string[] }).binding_ids;
    expect(idsOf(recorded)).toEqual([...idsOf(replayed)].reverse());
    const charged = await afterEdit("allowed", (event) => {
      const ids = event["binding_ids"] as string[] | undefined;
      if (event.event === "step_execution_authorized") event["charged"] = [{ id: ids?.[0] ?? "" }];
    });
    expect(divergenceOf(charged)).toMatchObject({ kind: "decision", replayed: { charged: [] } });
    const place = await afterEdit("allowed", (event) => {
      if (event.event === "step_execution_authorized") event["state_seq"] = 1;
    });
    expect(divergenceOf(place)).toMatchObject({ kind: "decision", recorded: { state_seq: 1 } });
  });

  test("a denial made an authorisation of a binding that is not there", async () => {
    const diverged = await afterEdit("denied", (event) => {
      if (event.event !== "step_execution_denied") return;
      event.event = "step_execution_authorized";
      Object.assign(event, { binding_id: "bind_x", binding_ids: ["bind_x"], charged: [] });
    });
    expect(divergenceOf(diverged)).toMatchObject({
      kind: "decision",
      recorded: { allowed: true, binding_ids: ["bind_x"] },
      replayed: { allowed: false },
    });
  });

  test.each<[string, (event: Draft) => void]>([
    ["a time that is none", (event) => event.event.endsWith("authorized") && (event["decided_at"] = "soon")],
    ["no requirements", (event) => event.event.endsWith("requested") && delete event["requirements"]],
    [
      "a decision of no request",
      (event) => event.event.endsWith("authorized") && (event["request_id"] = "q"),
    ],
    [
      "a request without a decision",
      (event) => event.event.endsWith("authorized") && (event.event = "x_gone"),
    ],
    [
      "a binding under nothing",
      (event) => event.event === "binding_created" && (event["contract_id"] = "none"),
    ],
  ])("%s: refused as no log of ours", async (_, change) => {
    await expect(
      afterEdit("allowed", (event) => {
        change(event);
      }),
    ).rejects.toSatisfy((error) => {
      expect(error).toBeInstanceOf(EvidenceError);
      expect(error).toMatchObject({ code: "malformed_entry" });
      return true;
    });
  });
});

describe("bytes behind commitments", () => {
  const inBlobs = (world: RecordingWorld, sql: string, ...values: unknown[]) => {
    const db = new Database(world.database);
    try {
      for (const name of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all())
        db.exec(`DROP TRIGGER ${String(name)}`);
      db.prepare(sql).run(...values);
    } finally {
      db.close();
    }
  };
  const members: [string, string][] = [
    ["step_execution_requested", "params_commitment"],
    ["effect_attempted", "request_commitment"],
    ["effect_performed", "answer_commitment"],
    ["step_execution_completed", "output_commitment"],
  ];
  const refOf = (world: RecordingWorld, type: string, member: string) =>
    world.committed().find((event) => event.event === type)?.[member] as string;

  test.each(members)("erased %s %s: unavailable, and no divergence", async (type, member) => {
    const world = await steps();
    inBlobs(world, "DELETE FROM blobs WHERE ref = ?", refOf(world, type, member));
    const again = await world.replay("allowed", (_, { memory }) => memory.set("notes/a", 1));
    expect(isDiverged(again)).toBe(false);
    expect(again.execution).toMatchObject({
      status: "unavailable",
      why: expect.stringContaining("erased") as string,
    });
  });

  test.each(members)("forged %s %s: a divergence of the journal", async (type, member) => {
    for (const bytes of ['{"forged":true}', "not json", `${"[".repeat(100_000)}${"]".repeat(100_000)}`]) {
      const world = await steps();
      inBlobs(
        world,
        "UPDATE blobs SET bytes = ? WHERE ref = ?",
        Buffer.from(bytes),
        refOf(world, type, member),
      );
      const again = await world.replay("allowed", (_, { memory }) => memory.set("notes/a", 1));
      expect(divergenceOf(again).kind).toBe("journal");
      await world.pipeline.close();
      rmSync(world.database);
    }
  });

  test("a decision that looks at parameters which were erased cannot be told", async () => {
    const world = await openRecording();
    const constraints = { params: { properties: { n: { const: 1 } }, required: ["n"] } };
    await world.grant("agent", "job:run:a", { constraints });
    const context = (n: number) =>
      world.context({ stepId: `n${n}`, requiredCapability: "job:run:a", action: job(), actionParams: { n } });
    expect((await world.pipeline.executor.executeStep(context(1))).status).toBe("completed");
    expect((await world.pipeline.executor.executeStep(context(2))).status).toBe("denied");
    expect((await replayDatabase(world.database, world.folder)).map((one) => one.decision.status)).toEqual([
      "identical",
      "identical",
    ]);
    inBlobs(
      world,
      "DELETE FROM blobs WHERE ref = ?",
      refOf(world, "step_execution_requested", "params_commitment"),
    );
    expect((await replayDatabase(world.database, world.folder))[0]?.decision).toEqual({
      status: "unavailable",
      why: "its parameters were erased",
    });
  });
});
