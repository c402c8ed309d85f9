import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { verifyLog } from "../../src/audit/verify-log.js";
import { ledgerOf } from "../../src/core/audit.js";
import { blobKeysOf } from "../../src/core/commitment.js";
import { createPipeline } from "../../src/index.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { replayDatabase } from "../replay/replay-database.js";
import { crashActions } from "./fixtures/crash-actions.js";
import { adminLane } from "../../src/core/lanes.js";
import { AuditUnavailableError } from "../../src/model/errors.js";
import { sha256Hex } from "../../src/model/sha256.js";
import { schemaVersion } from "../../src/stores/sqlite/schema.js";
import { listRuns, showRun } from "../../src/workflow/show.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { expectRefusal, synapse } from "../cli/invoke.js";
import { type LedgerWorld, note, notes, openLedger } from "../core/fixtures/ledger-world.js";
import { expectSoundLog } from "./fixtures/log-promises.js";

describe("after a write that failed the log is verified before it takes another event", () => {
  let world: LedgerWorld;
  beforeEach(() => {
    world = openLedger();
  });
  afterEach(() => world.close());

  /** Lets a write fail behind one that this process has not seen verified, and changes the file before anybody looks. */
  async function failAnd(damage: string): Promise<void> {
    const { ledger, watch, file, another } = world;
    for (let n = 1; n <= 3; n++) await ledger.submit("a", note(n));
    await another().submit("a", note(4));
    watch.fault = "before commit";
    const failed = ledger.submit("a", note(5));
    await refusal(failed, AuditUnavailableError, "audit_unavailable");
    const db = new Database(file);
    db.exec(damage);
    db.close();
  }

  it.each([
    [
      "an event was changed",
      "UPDATE events SET doc = replace(doc, '\"n\":4', '\"n\":5') WHERE seq = 4",
      "event 4",
    ],
    ["a leaf was changed", "UPDATE events SET leaf = zeroblob(32) WHERE seq = 4", "event 4"],
    ["an event that was durable is gone", "DELETE FROM events WHERE seq > 2", "event 3 was durable"],
    ["the head is another", "UPDATE tree_head SET size = 3, hashes = zeroblob(64)", "its tree"],
    ["the head is ahead", "UPDATE tree_head SET size = 5, hashes = zeroblob(64)", "a tree of 5"],
  ])("%s: it stays closed and says why", async (_name, damage, why) => {
    await failAnd(damage);
    for (const lane of ["a", adminLane]) {
      const error = await refusal(
        world.ledger.submit(lane, note(9)),
        AuditUnavailableError,
        "audit_unavailable",
      );
      expect(error.message).toContain(why);
    }
  });

  it("whole, it goes on with what is really there", async () => {
    await failAnd("SELECT 1");
    await world.ledger.submit("a", note(9));
    expect(notes(world)).toEqual([1, 2, 3, 4, 9]);
  });
});

describe("a disk that is nearly full (D9)", () => {
  it.each([
    [600, "new", "begun", "admin"],
    [511, "begun", "admin"],
    [128, "begun", "admin"],
    [127, "admin"],
  ])("%s KiB free: room for %s %s %s", async (free, ...allowed) => {
    const world = openLedger();
    world.watch.freeBytes = free * 1024;
    const { ledger } = world;
    const tried = await Promise.allSettled([
      ledger.submit("a", note(1)),
      ledger.submit("a", note(2), "begun"),
      ledger.submit(adminLane, note(3)),
    ]);
    const names = ["new", "begun", "admin"].filter((_, n) => tried[n]?.status === "fulfilled");
    expect(names).toEqual(allowed);
    for (const each of tried)
      if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "audit_unavailable" });
    world.close();
  });
});

describe("a database of an older schema version", () => {
  const fixture = fileURLToPath(new URL("fixtures/schema-1.db.gz", import.meta.url));
  let folder: string;
  let database: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "synapse-schema-"));
    database = join(folder, "log.db");
    writeFileSync(database, gunzipSync(readFileSync(fixture)));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is migrated and goes on: its open step is unknown, its authority and counters are as they were", async () => {
    const pipeline = await createPipeline({ database });
    const [run] = listRuns(pipeline);
    expect(run).toMatchObject({ workflow: "old", status: "interrupted" });
    expect(showRun(pipeline, run?.run_id ?? "")).toMatchObject({
      steps: [
        { step_id: "one", status: "completed" },
        { step_id: "two", status: "unknown" },
      ],
    });
    expect(await pipeline.bindingManager.getBindings("a")).toMatchObject([{ uses: 2, isActive: true }]);
    await pipeline.close();
    expectSoundLog(folder, "");
    const db = new Database(database, { readonly: true });
    expect(db.pragma("user_version", { simple: true })).toBe(schemaVersion);
    db.close();
  });

  it("is not migrated by who only verifies it: that says what does", async () => {
    const before = readFileSync(database);
    const outcome = await synapse({ cwd: folder }, "audit", "verify", "--db", database);
    expectRefusal(outcome, 4, "database_damaged", /schema version 1; this program knows/);
    expect(outcome.stderr).toMatch(/^hint: when an older synapse wrote it, any command that opens the log/m);
    expect(readFileSync(database).equals(before)).toBe(true);
    expect((await synapse({ cwd: folder }, "audit", "key", "--db", database)).code).toBe(0);
    expect((await synapse({ cwd: folder }, "audit", "verify", "--db", database)).code).toBe(0);
  });

  it.each([3, 4, 5, 6])(
    "of version %i: what was committed to is found, also by a run that was resumed",
    async (version) => {
      const older = fileURLToPath(new URL(`fixtures/schema-${version}.db.gz`, import.meta.url));
      writeFileSync(database, gunzipSync(readFileSync(older)));
      const kept = () => {
        const db = new Database(database, { readonly: true });
        const rows = db.prepare("SELECT DISTINCT ref, salt, bytes FROM blobs ORDER BY ref").all();
        db.close();
        return rows;
      };
      const before = kept();
      expect(before).toHaveLength(13);
      const pipeline = await createPipeline({ database });
      const [run] = listRuns(pipeline);
      expect(showRun(pipeline, run?.run_id ?? "")).toMatchObject({
        status: "completed",
        steps: ["pay", "note", "mail"].map((step_id) => ({ step_id, status: "completed" })),
      });
      const { driver } = ledgerOf(pipeline.audit);
      const events = driver.readEvents({ runId: run?.run_id });
      expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: events.length }, (_, n) => n + 5));
      const keys = events.flatMap(blobKeysOf);
      expect(keys).toHaveLength(15);
      for (const key of keys) expect(driver.blob(key)).toBeDefined();
      await pipeline.close();
      expect(kept()).toEqual(before);
      expectSoundLog(folder, "");
      const image = openImage(database);
      expect((await verifyLog(image)).problems).toEqual([]);
      image.close();
      const replayed = await replayDatabase(database, folder, crashActions(folder));
      expect(replayed.map(({ decision }) => decision.status)).toEqual(Array(3).fill("identical"));
    },
  );

  it("keeps bytes that no event commits to, and takes them for no event's", async () => {
    writeFileSync(
      database,
      gunzipSync(readFileSync(fileURLToPath(new URL("fixtures/schema-4.db.gz", import.meta.url)))),
    );
    const db = new Database(database);
    const put = db.prepare("INSERT INTO blobs VALUES (?, ?, x'01', CAST(? AS BLOB))");
    const refs = Array.from({ length: 40 }, (_, n) =>
      sha256Hex(Buffer.concat([Buffer.of(1), Buffer.from(`bytes ${n}`)])),
    );
    // Under no event, in front of all, and more under one than there is room for.
    const seqs = [0, -1, 1_000_000, 2 ** 53, 1_000_001];
    for (const [n, ref] of refs.entries()) for (const seq of seqs) put.run(seq, ref, `bytes ${n}`);
    db.close();
    const pipeline = await createPipeline({ database });
    const { driver } = ledgerOf(pipeline.audit);
    for (const ref of refs) expect(driver.keepsBlob(ref)).toBe(true);
    for (const ref of refs) for (const seq of [0, 1]) expect(driver.blob({ seq, ref })).toBeUndefined();
    expect(refs.filter((ref) => driver.blob({ seq: 1_000_000, ref }) !== undefined)).toHaveLength(16);
    await pipeline.close();
    const image = openImage(database);
    expect((await verifyLog(image)).problems).toEqual([]);
    image.close();
  });

  it("of version 5 found events by an entry for each: by whatever they are found now, it is the same", async () => {
    const world = openLedger();
    onTestFinished(() => world.close());
    const { ledger, file } = world;
    const keys = (n: number) => ({
      agent_id: `agent-${n % 5}`,
      ...(n % 3 === 0 ? {} : { run_id: `run-${n % 7}` }),
    });
    for (let n = 0; n < 700; n++)
      void ledger.submit("a", (tx) =>
        tx.emit({ event: "x_note", n, ...(n % 50 === 0 ? { run_id: 5 } : keys(n)) }),
      );
    await ledger.submit(adminLane, note(0));
    await ledger.close();
    ledger.driver.close();
    const tables = () => {
      const db = new Database(file, { readonly: true });
      const rows = ["event_ids", "event_keys"].map((table) => db.prepare(`SELECT * FROM ${table}`).all());
      db.close();
      return rows;
    };
    const made = tables();
    expect(made.map(({ length }) => length)).toEqual([3, 3 * (5 + 7)]);
    const db = new Database(file);
    db.exec(`DROP TABLE event_ids; DROP TABLE event_keys;
      CREATE TABLE event_keys (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, run_id TEXT, agent_id TEXT);
      CREATE INDEX events_by_id ON event_keys (id);
      CREATE INDEX events_by_run ON event_keys (run_id) WHERE run_id IS NOT NULL;
      CREATE INDEX events_by_agent ON event_keys (agent_id) WHERE agent_id IS NOT NULL;
      INSERT INTO event_keys SELECT seq, doc ->> '$.id', doc ->> '$.run_id', doc ->> '$.agent_id' FROM events;
      PRAGMA user_version = 5`);
    db.close();
    new SqliteDriver(file, { create: false }).close();
    expect(tables()).toEqual(made);
    const image = openImage(file);
    expect(await image.damage()).toEqual([]);
    image.close();
  });

  it.each([1, 3, 4, 5, 6])(
    "of version %i is migrated with a damaged event in it, for an auditor to find",
    async (version) => {
      writeFileSync(
        database,
        gunzipSync(readFileSync(fileURLToPath(new URL(`fixtures/schema-${version}.db.gz`, import.meta.url)))),
      );
      const db = new Database(database);
      // Before version 4 columns were computed of a document: it can be no other text than JSON.
      const damage = version < 4 ? ["{}"] : ['{"x', "{}"];
      for (const [n, text] of damage.entries())
        db.prepare("UPDATE events SET doc = ? WHERE seq = ?").run(text, 3 + n);
      db.close();
      const driver = new SqliteDriver(database, { create: false });
      driver.close();
      const image = openImage(database);
      expect((await verifyLog(image)).problems[0]).toMatchObject({ seq: 3, code: "entry_mismatch" });
      image.close();
    },
  );

  it("stays whole as it was when the migration fails in the middle", async () => {
    const db = new Database(database);
    // What the last of all migrations makes is there already.
    db.exec("CREATE TABLE event_ids (x)");
    db.close();
    await expect(createPipeline({ database })).rejects.toMatchObject({ code: "cannot_open" });
    const after = new Database(database);
    expect(after.pragma("user_version", { simple: true })).toBe(1);
    const columns = (after.pragma("table_info(runs)") as { name: string }[]).map(({ name }) => name);
    expect(columns).not.toContain("writer");
    after.close();
  });
});
