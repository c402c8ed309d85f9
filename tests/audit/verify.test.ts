/** What an attacker who may write the database file can do, and what the auditor says to it. */
import { hash } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { canonicalJson } from "../../src/model/canonical.js";
import type { JsonObject } from "../../src/model/json.js";
import { parseCheckpoint } from "../../src/verify.js";
import { expectRefusal, folder as emptyFolder, Sink, synapse } from "../cli/invoke.js";
import { testKey } from "../proof/fixtures/keys.js";
import { copyOf, prepared, type Row, type TamperedLog, verdictOf } from "./fixtures/logs.js";

let source: Awaited<ReturnType<typeof prepared>>;
beforeAll(async () => {
  source = await prepared();
});
afterAll(() => source.remove());

const copy = () => copyOf(source.folder);

async function expectFinding(
  log: TamperedLog,
  code: string,
  seq: number | null,
  said: RegExp,
  ...argv: string[]
) {
  const outcome = await log.verify(...argv);
  expect(outcome.code).toBe(4);
  const verdict = verdictOf(outcome);
  expect(verdict.ok).toBe(false);
  expect(verdict.problems[0]).toMatchObject({ code, seq });
  expect(verdict.problems[0]?.message).toMatch(said);
}

const rowOf = (log: TamperedLog, seq: number) => log.get<Row>("SELECT * FROM events WHERE seq = ?", seq);
const lastSeq = (log: TamperedLog) => log.get<{ n: number }>("SELECT max(seq) AS n FROM events").n;
const seqOf = (log: TamperedLog, event: string) =>
  log.get<{ seq: number }>("SELECT seq FROM events WHERE doc ->> '$.event' = ? ORDER BY seq", event).seq;

/** The document changed, and its leaf hash with it, as one would who knows how the log works. */
function rewrite(
  log: TamperedLog,
  seq: number,
  change: (event: Record<string, unknown>) => void,
): TamperedLog {
  const event = JSON.parse(rowOf(log, seq).doc) as Record<string, unknown>;
  change(event);
  const doc = canonicalJson(event as JsonObject);
  const leaf = nodeTreeHasher.leaf(Buffer.from(doc));
  return log.with((db) =>
    db.prepare("UPDATE events SET doc = ?, leaf = ? WHERE seq = ?").run(doc, leaf, seq),
  );
}

describe("a log that nobody touched", () => {
  test("is verified: every event, every checkpoint, the root that they sign", async () => {
    const log = copy();
    const outcome = await log.verify();
    expect(outcome.code).toBe(0);
    const note = log.get<{ note: string }>("SELECT note FROM checkpoints ORDER BY size DESC").note;
    const { checkpoint } = parseCheckpoint(note);
    expect(verdictOf(outcome)).toEqual({
      ok: true,
      events: checkpoint.size,
      checkpoints: log.get<{ n: number }>("SELECT count(*) AS n FROM checkpoints").n,
      root: Buffer.from(checkpoint.root).toString("base64"),
      problems: [],
    });
    expect(outcome.stderr).toMatch(/^note: verified with the key beside the database/);
  });

  test("is verified with the key that was handed out, and compared with a checkpoint kept elsewhere", async () => {
    const log = copy();
    const vkey = (await log.run("audit", "key")).stdout.trim();
    const { stdout: note } = await log.run("audit", "checkpoint");
    writeFileSync(join(log.folder, "kept"), note);
    rmSync(`${log.database}.key`);
    expect(await log.verify("--key", vkey, "--against", "kept")).toMatchObject({ code: 0, stderr: "" });
  });

  test("is left exactly as it was, with no key made", async () => {
    const log = copy();
    const before = log.bytes();
    rmSync(`${log.database}.key`);
    await log.verify();
    expect(log.bytes().equals(before)).toBe(true);
    expect(statSync(`${log.database}.key`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("says so to people in one line, and shows a bar on a terminal alone", async () => {
    const log = copy();
    const said = await log.run("audit", "verify");
    expect(said.stdout).toMatch(/^verified \d+ events and \d+ checkpoints, root [A-Za-z0-9+/=]{44}\n$/);
    expect(said.stderr).not.toMatch(/[\r\u001b]/);
    const { runCli } = await import("../../src/cli/run-cli.js");
    const terminal = new Sink(true);
    const argv = ["audit", "verify", "--db", log.database];
    await runCli(argv, { stdout: new Sink(), stderr: terminal, env: {}, cwd: log.folder });
    expect(terminal.text).toMatch(/\rverifying \[#+ *\] 100%/);
  });

  test("without a checkpoint yet passes", async () => {
    const log = copy().sql("DELETE FROM checkpoints");
    rmSync(`${log.database}.key`);
    expect(verdictOf(await log.verify())).toMatchObject({ ok: true, checkpoints: 0 });
  });
});

describe("rows of the log", () => {
  test("a changed document", async () => {
    const log = copy();
    log.sql(
      `UPDATE events SET doc = replace(doc, '"agent_id":"nobody"', '"agent_id":"somebody"') WHERE seq = ${seqOf(log, "step_execution_denied")}`,
    );
    await expectFinding(log, "entry_mismatch", seqOf(log, "step_execution_denied"), /does not have the hash/);
  });

  test("a changed hash", async () => {
    await expectFinding(
      copy().sql("UPDATE events SET leaf = zeroblob(32) WHERE seq = 7"),
      "entry_mismatch",
      7,
      /hash/,
    );
  });

  test("a document and its hash changed together: the checkpoint over it says so", async () => {
    const log = copy();
    const seq = seqOf(log, "x_note");
    rewrite(log, seq, (event) => (event["seq_of"] = 2));
    await expectFinding(log, "root_mismatch", null, new RegExp(`events \\d+ to \\d+`));
  });

  test("a document that is no JSON, no text, or not in its one spelling any more", async () => {
    const torn = copy();
    const bytes = torn.bytes();
    bytes[bytes.indexOf(rowOf(torn, 5).doc)] = 0x28;
    writeFileSync(torn.database, bytes);
    await expectFinding(torn, "entry_mismatch", 5, /^event 5:/);
    const blob = copy().sql("UPDATE events SET doc = CAST(doc AS BLOB) WHERE seq = 5");
    await expectFinding(blob, "malformed_entry", 5, /holds no text/);
    const spaced = copy();
    const doc = ` ${rowOf(spaced, 5).doc}`;
    spaced.with((db) =>
      db
        .prepare("UPDATE events SET doc = ?, leaf = ? WHERE seq = 5")
        .run(doc, nodeTreeHasher.leaf(Buffer.from(doc))),
    );
    await expectFinding(spaced, "malformed_entry", 5, /canonical/);
  });

  test("a removed row", async () => {
    await expectFinding(
      copy().sql("DELETE FROM events WHERE seq = 9"),
      "wrong_order",
      9,
      /missing: the next row is number 10/,
    );
  });

  test("a removed first row", async () => {
    await expectFinding(copy().sql("DELETE FROM events WHERE seq = 1"), "wrong_order", 1, /missing/);
  });

  test("an inserted row, between others moved up or before all of them", async () => {
    const log = copy();
    const { doc, leaf } = rowOf(log, 4);
    log.with((db) => {
      db.exec("UPDATE events SET seq = -seq - 1 WHERE seq > 4");
      db.exec("UPDATE events SET seq = -seq WHERE seq < 0");
      db.prepare("INSERT INTO events (seq, doc, leaf) VALUES (5, ?, ?)").run(doc, leaf);
    });
    await expectFinding(log, "wrong_order", 5, /it is numbered 4/);
    const zeroth = copy();
    zeroth.with((db) => db.prepare("INSERT INTO events (seq, doc, leaf) VALUES (0, ?, ?)").run(doc, leaf));
    await expectFinding(zeroth, "wrong_order", 1, /the next row is number 0/);
  });

  test("a duplicated row at the end", async () => {
    const log = copy();
    const next = lastSeq(log) + 1;
    log.sql(
      `INSERT INTO events (seq, doc, leaf) SELECT ${next}, doc, leaf FROM events WHERE seq = ${next - 1}`,
    );
    await expectFinding(log, "wrong_order", next, /it is numbered/);
  });

  test("two rows that changed places", async () => {
    const log = copy().sql(
      "UPDATE events SET seq = -5 WHERE seq = 5",
      "UPDATE events SET seq = 5 WHERE seq = 6",
      "UPDATE events SET seq = 6 WHERE seq = -5",
    );
    await expectFinding(log, "wrong_order", 5, /it is numbered 6/);
  });

  test("an event that the guard cannot have written, well hashed", async () => {
    const log = copy();
    const seq = seqOf(log, "step_execution_denied");
    rewrite(log, seq, (event) => (event["reason"] = undefined as never));
    await expectFinding(log, "malformed_entry", seq, /it lacks `reason`/);
  });
});

describe("a cut tail", () => {
  const cut = (log: TamperedLog, from: number) => log.sql(`DELETE FROM events WHERE seq >= ${from}`);

  test("shows by the head of the tree", async () => {
    const log = copy();
    await expectFinding(cut(log, lastSeq(log)), "root_mismatch", null, /head of its tree/);
  });

  test("with the whole store taken back to an older copy shows only by a checkpoint kept elsewhere", async () => {
    const log = copy();
    const older = log.bytes();
    await log.run("suspend", "--agent", "zoe", "--by", "ops");
    const { stdout: note } = await log.run("audit", "checkpoint");
    writeFileSync(join(log.folder, "kept"), note);
    writeFileSync(log.database, older);
    for (const suffix of ["-wal", "-shm"]) rmSync(log.database + suffix, { force: true });
    expect((await log.verify()).code).toBe(0);
    await expectFinding(
      log,
      "checkpoint_behind",
      null,
      /the log has \d+ events and had \d+ before/,
      "--against",
      "kept",
    );
  });

  test("a log rewritten from its start, and signed again with its own key, shows by a checkpoint kept elsewhere", async () => {
    const first = copy();
    const { stdout: note } = await first.run("audit", "checkpoint");
    const log = copy();
    // The same log id and key, another history.
    const id = log.get<{ value: string }>("SELECT value FROM meta").value;
    const key = readFileSync(`${log.database}.key`);
    rmSync(log.database);
    writeFileSync(`${log.database}.key`, key, { mode: 0o600 });
    await log.run("suspend", "--agent", "innocent", "--by", "ops");
    log.sql(`UPDATE meta SET value = '${id}'`, "DELETE FROM checkpoints");
    for (let i = 0; i < 2; i++) await log.run("suspend", "--agent", `a${i}`, "--by", "ops");
    log.sql("DELETE FROM checkpoints WHERE size < 3");
    writeFileSync(join(log.folder, "kept"), note);
    expect((await log.verify()).code).toBe(0);
    await expectFinding(log, "checkpoint_behind", null, /and had/, "--against", "kept");
  });
});

describe("tables edited behind the log's back", () => {
  test("a revoked binding made active again", async () => {
    const log = copy();
    const { id, revoked_seq } = log.get<{ id: string; revoked_seq: number }>(
      "SELECT * FROM authority WHERE revoked_seq IS NOT NULL AND kind = 'binding'",
    );
    log.sql(`UPDATE authority SET revoked_seq = NULL WHERE id = '${id}'`);
    await expectFinding(
      log,
      "projection_mismatch",
      revoked_seq,
      new RegExp(`${id}.*in force.*event ${revoked_seq} revoked it`),
    );
  });

  test("uses lowered", async () => {
    const log = copy();
    const { id, created_seq } = log.get<{ id: string; created_seq: number }>(
      "SELECT * FROM authority WHERE uses > 1",
    );
    log.sql(`UPDATE authority SET uses = uses - 1 WHERE id = '${id}'`);
    await expectFinding(log, "projection_mismatch", created_seq, /uses, the log/);
  });

  test("authority that no event made", async () => {
    const log = copy().sql("INSERT INTO authority VALUES ('bind_forged', 'binding', 9, NULL, 0)");
    await expectFinding(log, "projection_mismatch", null, /bind_forged.*no event made it/);
  });

  test("a rate window emptied", async () => {
    const log = copy();
    const { id } = log.get<{ id: string }>("SELECT id FROM rate_uses");
    const { created_seq } = log.get<{ created_seq: number }>("SELECT * FROM authority WHERE id = ?", id);
    log.sql("DELETE FROM rate_uses");
    await expectFinding(log, "projection_mismatch", created_seq, /rate window/);
  });

  test("a suspension taken away, or made up", async () => {
    const log = copy();
    await log.run("suspend", "--agent", "mallory", "--by", "ops");
    const seq = lastSeq(log);
    log.sql("DELETE FROM suspended");
    await expectFinding(log, "projection_mismatch", seq, /mallory/);
    await expectFinding(
      copy().sql("INSERT INTO suspended VALUES ('victim')"),
      "projection_mismatch",
      null,
      /victim/,
    );
  });

  test("an open step forgotten, or made up", async () => {
    const log = copy();
    const seq = seqOf(log, "step_execution_authorized");
    log.sql(`INSERT INTO open_steps VALUES ('evt_forged', ${seq})`);
    await expectFinding(log, "projection_mismatch", seq, /evt_forged/);
  });

  test("a run that ended otherwise, or is gone", async () => {
    const log = copy();
    const { started_seq } = log.get<{ started_seq: number }>("SELECT * FROM runs");
    await expectFinding(
      log.sql("UPDATE runs SET status = 'completed'"),
      "projection_mismatch",
      started_seq,
      /its `status`/,
    );
    await expectFinding(copy().sql("DELETE FROM runs"), "projection_mismatch", started_seq, /is missing/);
  });

  test("an applied policy's file exchanged, so that it could be edited", async () => {
    const log = copy();
    await expectFinding(
      log.sql("UPDATE policies SET file = '/tmp/x'"),
      "projection_mismatch",
      expect.any(Number) as never,
      /policy `team`/,
    );
  });

  test("the bytes behind a commitment exchanged, or gone without an event", async () => {
    const log = copy().sql(
      // Which one comes first is chance, and some of them hold just that.
      "UPDATE blobs SET bytes = CAST('{\"x\":1}' AS BLOB) WHERE ref = (SELECT min(ref) FROM blobs)",
    );
    await expectFinding(log, "blob_mismatch", null, /not those that were committed to/);
    const gone = copy();
    const seq = seqOf(gone, "step_execution_requested");
    const ref = (JSON.parse(rowOf(gone, seq).doc) as { params_commitment: string }).params_commitment;
    await expectFinding(
      gone.sql(`DELETE FROM blobs WHERE ref = '${ref}'`),
      "blob_missing",
      seq,
      /no event erased them/,
    );
  });

  test("the tree's own nodes and head", async () => {
    await expectFinding(
      copy().sql("UPDATE tree_head SET size = size + 1"),
      "root_mismatch",
      null,
      /head of its tree/,
    );
    const log = copy();
    log.sql("INSERT INTO tree_nodes VALUES (16, 0, zeroblob(32))");
    await expectFinding(log, "root_mismatch", null, /keeps \d+ nodes/);
  });

  test("a trigger, or a view in a table's place", async () => {
    const trigger = copy().sql(
      "CREATE TRIGGER sly AFTER INSERT ON suspended BEGIN DELETE FROM suspended; END",
    );
    await expectFinding(trigger, "database_damaged", null, /trigger `sly` is not ours/);
    const view = copy().sql(
      "ALTER TABLE suspended RENAME TO hidden",
      "CREATE VIEW suspended AS SELECT * FROM hidden WHERE 0",
    );
    await expectFinding(view, "database_damaged", null, /is not ours/);
  });
});

describe("checkpoints", () => {
  const noteOf = (log: TamperedLog) =>
    log.get<{ size: number; note: string }>("SELECT * FROM checkpoints ORDER BY size DESC");
  const put = (log: TamperedLog, size: number, note: string) =>
    log.with((db) => db.prepare("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)").run(size, note));

  test("forged with another key under the same name", async () => {
    const log = copy();
    const { size, note } = noteOf(log);
    const { origin, root } = parseCheckpoint(note).checkpoint;
    const vkey = (await log.run("audit", "key")).stdout.trim();
    put(log, size, testKey(origin, 9).checkpoint(size, root));
    await expectFinding(log, "unknown_key", null, /the checkpoint of \d+ events/);
    await expectFinding(log, "unknown_key", null, /the checkpoint of \d+ events/, "--key", vkey);
  });

  test("swapped for that of another size, another log's, or garbage", async () => {
    const log = copy();
    const { size, note } = noteOf(log);
    await expectFinding(
      put(log, size - 1, note),
      "malformed_checkpoint",
      null,
      new RegExp(`of ${size - 1} events: its note says ${size}`),
    );
    await expectFinding(put(copy(), size + 5, note), "checkpoint_behind", null, /a checkpoint was made of/);
    await expectFinding(put(copy(), size, "garbage"), "malformed_note", null, /not a signed note/);
  });

  test("with a signature of which one bit is another", async () => {
    const log = copy();
    const { size, note } = noteOf(log);
    const at = note.length - 20;
    const forged = note.slice(0, at) + (note[at] === "A" ? "B" : "A") + note.slice(at + 1);
    await expectFinding(put(log, size, forged), "invalid_signature", null, /the checkpoint of/);
  });

  test("are all of the key given, or it is not this log's", async () => {
    const log = copy();
    const { origin } = parseCheckpoint(noteOf(log).note).checkpoint;
    await expectFinding(
      log,
      "unknown_key",
      null,
      /is not signed by a key that is known/,
      "--key",
      testKey(origin, 3).vkey,
    );
    await expectFinding(
      log,
      "wrong_origin",
      null,
      /is of the log/,
      "--key",
      testKey("synapse.local/other", 3).vkey,
    );
  });

  test("kept elsewhere and forged prove nothing", async () => {
    const log = copy();
    const { size, note } = noteOf(log);
    const { origin, root } = parseCheckpoint(note).checkpoint;
    writeFileSync(join(log.folder, "kept"), testKey(origin, 3).checkpoint(size, root));
    await expectFinding(log, "unknown_key", null, /the checkpoint to compare with/, "--against", "kept");
  });
});

/** As damage of a row's header does it: the schema says NOT NULL, and NULL is there. */
function putNull(log: TamperedLog, table: string, column: string): TamperedLog {
  const forbids = `${column} ${column === "note" ? "TEXT" : "BLOB"} NOT NULL`;
  const schema = (from: string, to: string) =>
    log.with((db) => {
      db.unsafeMode();
      db.pragma("writable_schema = ON");
      db.prepare("UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?").run(from, to, table);
    });
  const allows = forbids.replace(" NOT NULL", "");
  schema(forbids, allows);
  log.sql(`UPDATE ${table} SET ${column} = NULL`);
  return schema(allows, forbids);
}

describe("NULL where the schema forbids it is named, and is no failure of the auditor", () => {
  test.each([
    ["checkpoints", "note", "malformed_note"],
    ["blobs", "bytes", "blob_mismatch"],
    ["blobs", "salt", "blob_mismatch"],
    ["tree_head", "hashes", "root_mismatch"],
  ])("%s.%s", async (table, column, code) => {
    const outcome = await putNull(copy(), table, column).verify();
    expect(outcome.code).toBe(4);
    expect(verdictOf(outcome).problems[0]).toMatchObject({ code });
  });
});

test("bytes where the schema's text was are named, and are no failure of the auditor", async () => {
  const log = copy().with((db) => {
    db.unsafeMode();
    db.pragma("writable_schema = ON");
    db.exec("UPDATE sqlite_schema SET sql = CAST(sql AS BLOB) WHERE name = 'runs_by_start'");
  });
  const outcome = await log.verify();
  expect(outcome.code).toBe(4);
  expect(outcome.stderr + outcome.stdout).toMatch(/database_damaged/);
});

describe("a file that is no database any more", () => {
  test("not one at all, cut short, empty, of something else: 4", async () => {
    for (const spoil of [
      (bytes: Buffer) => Buffer.from(`not a database ${hash("sha256", bytes, "hex")}`.repeat(40)),
      (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1),
      (bytes: Buffer) => bytes.subarray(0, 4096),
      () => Buffer.alloc(0),
    ]) {
      const log = copy();
      writeFileSync(log.database, spoil(log.bytes()));
      await expectFinding(log, "database_damaged", null, /./);
      const { code, stdout, stderr } = await log.run("audit", "verify");
      expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
      expect(stderr).toMatch(/error\[database_damaged\]/);
    }
  });

  test("a missing one is a matter of usage: 2, and none comes of it", async () => {
    const cwd = emptyFolder();
    expectRefusal(await synapse({ cwd }, "audit", "verify", "--json"), 2, "missing_store");
    expect(statSync(join(cwd, ".synapse"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("a key that is none, a checkpoint file that is not there: 2", async () => {
    const log = copy();
    expectRefusal(await log.run("audit", "verify", "--key", "nonsense"), 2, "usage", /not a verifier key/);
    expectRefusal(await log.run("audit", "verify", "--against", "none"), 2, "unreadable_file");
  });
});

describe("flipped bits", () => {
  /** All that the log, its proofs and its decisions rest on; the agents' own key-value space is not among it. */
  const tables = [
    "events",
    "tree_head",
    "tree_nodes",
    "checkpoints",
    "meta",
    "authority",
    "rate_uses",
    "suspended",
  ].concat(["open_steps", "runs", "policies", "blobs"]);

  /** Everything that can be read from the file, or that it cannot be read. */
  function content(log: TamperedLog): string {
    try {
      return (
        log.get<{ text: string }>("SELECT 1 AS text") && tables.map((table) => dump(log, table)).join("\n")
      );
    } catch {
      return "unreadable";
    }
  }

  function dump(log: TamperedLog, table: string): string {
    let text = "";
    log.with((db) => {
      const rows = db.prepare(`SELECT * FROM ${table}`).raw().all() as unknown[][];
      text = JSON.stringify(
        rows.map((row) => row.map((cell) => (Buffer.isBuffer(cell) ? cell.toString("hex") : cell))),
      );
    });
    return text;
  }

  test(
    "everywhere in the file: found, unless nothing that can be read is another",
    { timeout: 120_000 },
    async () => {
      const log = copy();
      const whole = log.bytes();
      const before = content(log);
      let found = 0;
      const missed: number[] = [];
      // Every region: a step that shares no factor with the size of a page.
      for (let at = 100; at < whole.length; at += 1_693) {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        for (const suffix of ["-wal", "-shm"]) rmSync(log.database + suffix, { force: true });
        writeFileSync(log.database, flipped);
        if ((await log.verify()).code === 4) found++;
        else if (content(log) !== before) missed.push(at);
      }
      expect(missed).toEqual([]);
      expect(found).toBeGreaterThan(20);
    },
  );
});
