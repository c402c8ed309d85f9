import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LogVerdict, verifyLog } from "../../src/audit/verify-log.js";
import { authorizedMembers } from "../../src/core/records.js";
import type { EventFilter } from "../../src/core/store.js";
import { nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { canonicalJson } from "../../src/model/canonical.js";
import type { AuditEvent } from "../../src/model/event.js";
import { treeRoot } from "../../src/model/proof/compact-range.js";
import { createPipeline, defineAction, SecureExecutionContext } from "../../src/index.js";
import { State } from "../../src/model/state.js";
import { parseWorkflow } from "../../src/workflow/definition.js";
import { RunLog } from "../../src/workflow/run-log.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { KeyCheck } from "../../src/audit/key-check.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { lagMax } from "../../src/stores/sqlite/projections.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import { World } from "../model/fixtures/world.js";
import { append, begin, loaded, numbered, write } from "./contract-writing.js";

/*
 * The tables follow the log at a distance (docs/adr/0009). Whoever reads them has to get what the whole log says,
 * wherever they stand, and whoever wrote last, and however it ended.
 */

let folder: string;
let file: string;
let drivers: SqliteDriver[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "synapse-lag-"));
  file = join(folder, "log.db");
  drivers = [];
});
afterEach(() => {
  for (const driver of drivers) driver.close();
  rmSync(folder, { recursive: true });
});

function open(): SqliteDriver {
  const driver = new SqliteDriver(file, { create: true });
  drivers.push(driver);
  return driver;
}

function sql<T>(query: string): T {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(query).pluck().get() as T;
  } finally {
    db.close();
  }
}
const tablesAt = () => sql<number>("SELECT size FROM tree_head");

/** Authority, and then nothing but steps of three agents in two runs: some end, some stay open. */
function steps(count: number): World {
  const world = new World();
  world.issue("fs:read", { constraints: { rate: { limit: 1_000, per: "1h" } } });
  for (const agent of ["a", "b", "c"]) world.bind(agent, "fs:read");
  for (let n = 0; n < count; n++) {
    const agent = "abc"[n % 3] ?? "a";
    const own = { agent_id: agent, run_id: n % 2 === 0 ? "run_1" : "run_2" };
    const request = world.tx.emit({ event: "step_execution_requested", ...own }).id;
    const decision = world.ask("fs:read:/x", { agent });
    if (!decision.allowed) throw new Error(decision.reason);
    const ids = { ...own, request_id: request };
    world.tx.emit({ event: "step_execution_authorized", ...ids, ...authorizedMembers(decision) });
    if (n % 7 !== 0) world.tx.emit({ event: "step_execution_completed", ...ids, result: "success" });
  }
  return world;
}

function folded(events: readonly AuditEvent[]): State {
  const state = new State();
  for (const event of events) state.fold(event);
  return state;
}

const authorityOnly = 4;

describe("how far", () => {
  it("the tables are at the head of the log with whatever is more than a step", () => {
    const driver = open();
    write(driver, steps(3).events.slice(0, authorityOnly));
    expect(tablesAt()).toBe(authorityOnly);
  });

  it("steps alone stay in the log alone, until there are many, and no longer", () => {
    const driver = open();
    const { events } = steps(1_000);
    for (const [n, event] of events.entries()) {
      write(driver, [event]);
      const lag = n + 1 - tablesAt();
      expect(lag).toBeLessThanOrEqual(lagMax);
      if (n >= authorityOnly && n < lagMax) expect(tablesAt()).toBe(authorityOnly);
    }
    expect(tablesAt()).toBeGreaterThan(lagMax);
  });

  it("runs are in the list at once, once, and only when they were committed, wherever the other tables stand", () => {
    const [driver, other] = [open(), open()];
    const world = steps(0);
    write(driver, world.events);
    const run = (event: string, more = {}) =>
      world.tx.emit({ event, run_id: "r", workflow_id: "w", writer: "w-1", ...more });
    const started = run("run_started");
    const tried = begin(driver);
    append(tried, started);
    tried.rollback();
    expect(driver.runs(10)).toEqual([]);
    write(driver, [started]);
    expect(other.runs(10)).toMatchObject([{ run_id: "r", workflow: "w", status: "running" }]);
    expect(tablesAt()).toBe(authorityOnly);

    const tx = begin(other);
    append(tx, world.tx.emit({ event: "step_execution_requested", agent_id: "a", run_id: "r" }));
    // Brings the tables over what the other process wrote.
    tx.removeLease("nobody");
    tx.commit();
    expect(tablesAt()).toBe(authorityOnly + 2);

    for (const [event, status] of [
      ["run_completed", "failed"],
      ["run_cancelled", "cancelled"],
    ] as const) {
      write(driver, [run("run_started", { resumes: true, writer: "w-2" })]);
      expect(other.run("r")).toMatchObject({ status: "running", writer: "w-2" });
      write(driver, [run(event, { status })]);
      expect(other.run("r")).toMatchObject({ status });
    }
    expect(tablesAt()).toBe(authorityOnly + 2);
  });

  it("who gives back its lease leaves nothing behind", () => {
    const driver = open();
    const { events } = steps(5);
    write(driver, events);
    write(driver, []);
    const tx = begin(driver);
    tx.removeLease("nobody");
    tx.commit();
    expect(tablesAt()).toBe(events.length);
  });

  it("what was rolled back is not in the tables, and what follows is", () => {
    const driver = open();
    const { events } = steps(5);
    write(driver, events.slice(0, 8));
    const tried = begin(driver);
    for (const event of events.slice(8, 12)) append(tried, event);
    tried.removeLease("nobody");
    tried.rollback();
    write(driver, events.slice(8));
    const tx = begin(driver);
    tx.removeLease("nobody");
    tx.commit();
    expect(tablesAt()).toBe(events.length);
    const places = events.flatMap(({ seq, ...event }) => (event["agent_id"] === undefined ? [] : [seq]));
    const found = "SELECT group_concat(places) FROM event_keys WHERE kind = 'agent'";
    expect(
      sql<string>(found)
        .split(",")
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(places);
    expect(dumpState(loaded(open()))).toEqual(dumpState(folded(events)));
  });
});

describe("law: wherever the tables stand, what is read is what the whole log says", () => {
  // Of more than one block of keys, and of parts of it.
  const { events } = steps(260);
  const size = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) },
    fc.integer({ min: 100, max: 300 }),
  );
  const pieces = fc.array(size, { minLength: 1, maxLength: 30 });
  const settles = fc.array(fc.boolean(), { minLength: 30, maxLength: 30 });
  const filters = fc.record(
    {
      agentId: fc.constantFrom("a", "b", "nobody"),
      runId: fc.constantFrom("run_1", "run_2"),
      event: fc.constantFrom("step_execution_requested", "step_execution_completed"),
      after: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 250, max: 520 })),
      limit: fc.integer({ min: 0, max: 20 }),
      newest: fc.boolean(),
    },
    { requiredKeys: [] },
  );

  it("the state, the tree, and events by any filter, with two writers in turn", () => {
    fc.assert(
      fc.property(
        pieces,
        settles,
        fc.array(filters, { minLength: 4, maxLength: 4 }),
        (sizes, settle, asked) => {
          const path = join(folder, `${Math.random()}.db`);
          const writers = [0, 1].map(() => new SqliteDriver(path, { create: true }));
          try {
            let from = 0;
            for (const [n, size] of sizes.entries()) {
              const writer = writers[n % 2] as SqliteDriver;
              const tx = begin(writer);
              for (const event of events.slice(from, from + size)) append(tx, event);
              if (settle[n] === true) tx.removeLease("nobody");
              tx.commit();
              from = Math.min(events.length, from + size);
            }
            const there = events.slice(0, from);
            for (const driver of writers) {
              expect(dumpState(loaded(driver))).toEqual(dumpState(folded(there)));
              const leaves = there.map((event) => nodeTreeHasher.leaf(Buffer.from(canonicalJson(event))));
              expect(driver.treeHead().size).toBe(from);
              expect(Buffer.from(driver.treeHead().root)).toEqual(
                Buffer.from(treeRoot(nodeTreeHasher, leaves)),
              );
              for (const filter of asked) expect(driver.readEvents(filter)).toEqual(chosen(there, filter));
            }
            const image = openImage(path);
            for (const event of there.filter(({ seq }) => seq % 16 < 2))
              expect(image.eventById(event.id)?.seq).toBe(event.seq);
            expect(image.eventById("evt-none")).toBeUndefined();
            for (const run of ["run_1", "run_2"]) {
              const own = there.filter((event) => event["run_id"] === run);
              const range = own.length === 0 ? undefined : { first: own[0]?.seq, last: own.at(-1)?.seq };
              expect(image.rangeOfRun(run)).toEqual(range);
            }
            image.close();
          } finally {
            for (const writer of writers) writer.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  function chosen(from: readonly AuditEvent[], filter: EventFilter): AuditEvent[] {
    const found = from.filter(
      (event) =>
        (filter.agentId === undefined || event["agent_id"] === filter.agentId) &&
        (filter.runId === undefined || event["run_id"] === filter.runId) &&
        (filter.event === undefined || event.event === filter.event) &&
        event.seq > (filter.after ?? 0),
    );
    if (filter.limit === undefined) return found;
    return filter.newest === true
      ? found.slice(Math.max(0, found.length - filter.limit))
      : found.slice(0, filter.limit);
  }
});

/** What an auditor finds in a copy of the log as it stands while its writer works, with a change made to the copy. */
async function problemsIn(
  change: string,
  stood: { readonly size: number; readonly events: number },
): Promise<LogVerdict["problems"]> {
  const copy = join(folder, "copy.db");
  const db = new Database(file);
  db.exec(`VACUUM INTO '${copy}'`);
  db.close();
  const changed = new Database(copy);
  const [size, events] = ["SELECT size FROM tree_head", "SELECT count(*) FROM events"].map((query) =>
    changed.prepare(query).pluck().get(),
  );
  expect({ size, events }).toEqual(stood);
  changed.exec(change);
  changed.close();
  const image = openImage(copy);
  try {
    return (await verifyLog(image)).problems;
  } finally {
    image.close();
  }
}

describe("an auditor of a log whose writer was killed", () => {
  const action = defineAction({ name: "test.nothing", requires: () => "job:run", run: () => null });

  async function problemsAfter(change: string): Promise<LogVerdict["problems"]> {
    const pipeline = await createPipeline({ database: file, actions: [action] });
    const limits = { rate: { limit: 100, per: "1h" } };
    await pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "op", constraints: limits });
    await pipeline.bindingManager.bind({ agentId: "a", capability: "job:run", createdBy: "op" });
    const context = { workflowId: "w", agentId: "a", requiredCapability: "job:run", auditReference: "r" };
    for (let n = 0; n < 5; n++) {
      const step = { ...context, stepId: `s${n}`, traceId: "t", action };
      await pipeline.executor.executeStep(new SecureExecutionContext(step));
    }
    const problems = await problemsIn(change, { size: 2, events: 17 });
    await pipeline.close();
    return problems;
  }

  it("compares the tables with the log as it was when they stood there", async () => {
    expect(await problemsAfter("SELECT 1")).toEqual([]);
  });

  it.each([
    ["a use that the tables have not heard of", "UPDATE authority SET uses = 5", "projection_mismatch"],
    ["another agent", "UPDATE event_keys SET key = 'z'", "projection_mismatch"],
    ["an event that is not found any more", "UPDATE event_keys SET places = '1'", "projection_mismatch"],
    ["an event found too early", "UPDATE event_keys SET places = places || ',3'", "projection_mismatch"],
    ["an id that is not found any more", "UPDATE event_ids SET last = first", "projection_mismatch"],
    ["tables that claim to know less", "UPDATE tree_head SET size = 1", "root_mismatch"],
    ["tables that claim to know more", "UPDATE tree_head SET size = 17", "root_mismatch"],
    ["tables ahead of the log", "UPDATE tree_head SET size = 18", "root_mismatch"],
    ["an event at the end edited", "UPDATE events SET doc = replace(doc, 's4', 's9')", "entry_mismatch"],
  ])("finds %s", async (_what, change, code) => {
    expect((await problemsAfter(change))[0]).toMatchObject({ code });
  });
});

it.each([
  ["is as it should be", "SELECT 1", undefined],
  ["says that one has ended", "UPDATE runs SET status = 'completed'", "projection_mismatch"],
  ["lacks one", "DELETE FROM runs", "projection_mismatch"],
  [
    "has one more",
    "INSERT INTO runs SELECT 'r', workflow, status, 99, started_at, ended_at, writer FROM runs",
    "projection_mismatch",
  ],
])(
  "an auditor holds the list of runs against the whole log, also behind the other tables: it %s",
  async (_what, change, code) => {
    const pipeline = await createPipeline({ database: file });
    const definition = parseWorkflow(
      "{name: w, steps: [{id: s, agent: a, action: fs.read, with: {path: x}}]}",
      "w.yaml",
    );
    await RunLog.start(pipeline.audit, { definition, inputs: {}, seed: 0, workingFolder: folder });
    const problems = await problemsIn(change, { size: 0, events: 1 });
    await pipeline.close();
    expect(problems.map((each) => each.code)).toEqual(code === undefined ? [] : [code]);
  },
);

it("an event is found by an id of any characters, which SQLite and JavaScript put in different orders", () => {
  const driver = open();
  const ids = ["\ue000", "\u{1f600}", "z", "\uffff", ""];
  const events = numbered(ids.map(() => ({ event: "x_odd" }))).map((event, n) => ({
    ...event,
    id: ids[n] ?? "",
  }));
  const tx = begin(driver);
  for (const event of events) append(tx, event);
  tx.removeLease("nobody");
  tx.commit();
  const image = openImage(file);
  expect(ids.map((id) => image.eventById(id)?.seq)).toEqual([1, 2, 3, 4, 5]);
  const keys = new KeyCheck(image);
  for (const event of events) keys.take(event);
  keys.end();
  expect(keys.problems).toEqual([]);
  image.close();
});

it("a member that is no text is not found by the text that it would be printed as, at the end of the log or before", () => {
  const driver = open();
  const odd = [["a"], { a: 1 }, 7, null, true].map((value) => ({
    event: "x_odd",
    agent_id: value,
    run_id: value,
  }));
  write(driver, numbered(odd as never));
  const asked = ['["a"]', '{"a":1}', "7", "null", "true", "1"];
  const found = () =>
    asked
      .flatMap((text) => [driver.readEvents({ agentId: text }), driver.readEvents({ runId: text })])
      .flat();
  expect(found()).toEqual([]);
  const tx = begin(driver);
  tx.removeLease("nobody");
  tx.commit();
  expect(tablesAt()).toBe(odd.length);
  expect(found()).toEqual([]);
});

it("a log that does not reach where its tables stand decides nothing", () => {
  const driver = open();
  write(driver, steps(1).events);
  const tx = begin(driver);
  tx.removeLease("nobody");
  tx.commit();
  const db = new Database(file);
  db.exec("DELETE FROM events WHERE seq > 4");
  db.close();
  expect(() => loaded(open())).toThrow(expect.objectContaining({ code: "damaged_store" }) as Error);
});
