/**
 * Verification on two threads: says the same as on one, of a log that is good and of any that was tampered with, and
 * sees one moment of a database that others write.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { verifyLog } from "../../src/audit/verify-log.js";
import { leafOfText, nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { binaryBytes } from "../../src/core/node-crypto.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import { createPipeline } from "../../src/index.js";
import { sha256Hex } from "../../src/model/sha256.js";
import { treeRoot } from "../../src/model/proof/compact-range.js";
import { surveyBlobs } from "../../src/stores/sqlite/file-survey.js";
import { openImage, openSurveyedImage } from "../../src/stores/sqlite/image.js";
import { blobsOfEvent } from "../../src/stores/sqlite/blob-place.js";
import { schema } from "../../src/stores/sqlite/schema.js";
import { SurveyThread } from "../../src/stores/sqlite/survey.js";
import { surveyTree } from "../../src/stores/sqlite/tree-survey.js";
import { folder } from "../cli/invoke.js";
import { livelyLog } from "../proof/fixtures/lively-log.js";

let source: string;

/** A log in which everything happened, long enough that nodes of the tree are kept. */
beforeAll(async () => {
  source = mkdtempSync(join(tmpdir(), "synapse-survey-"));
  const database = join(source, "log.db");
  await livelyLog(database);
  const pipeline = await createPipeline({ database });
  await Promise.all(Array.from({ length: 700 }, (_, i) => pipeline.audit.emitEvent("x_note", { i })));
  await pipeline.close();
});
afterAll(() => rmSync(source, { recursive: true, force: true }));

function copied(change: (db: Database.Database) => void): string {
  const own = mkdtempSync(join(tmpdir(), "synapse-survey-"));
  onTestFinished(() => rmSync(own, { recursive: true, force: true }));
  const database = join(own, "log.db");
  copyFileSync(join(source, "log.db"), database);
  copyFileSync(join(source, "log.db.key"), `${database}.key`);
  const db = new Database(database);
  db.pragma("foreign_keys = OFF");
  change(db);
  db.close();
  return database;
}

async function verdicts(database: string) {
  const ownKey = publicKeyBeside(`${database}.key`);
  const images = [openImage(database), await openSurveyedImage(database, 0)];
  try {
    expect(images.map(({ isSurveyed }) => isSurveyed)).toEqual([false, true]);
    return await Promise.all(images.map((image) => verifyLog(image, { ownKey })));
  } finally {
    for (const image of images) image.close();
  }
}

const hashed = (text: string) => Buffer.from(binaryBytes(leafOfText(text)));

describe("two threads say what one says", () => {
  test("of a good log", async () => {
    const [one, two] = await verdicts(copied(() => undefined));
    expect(one).toMatchObject({ ok: true, problems: [] });
    expect(two).toEqual(one);
  });

  const row = "(SELECT seq FROM events WHERE doc LIKE '%effect_performed%' LIMIT 1)";
  test.each([
    ["a document", `UPDATE events SET doc = replace(doc, 'success', 'failure') WHERE seq = ${row}`],
    ["a leaf", `UPDATE events SET leaf = zeroblob(32) WHERE seq = ${row}`],
    ["a leaf that is no hash", `UPDATE events SET leaf = x'00' WHERE seq = ${row}`],
    ["the last leaf", "UPDATE events SET leaf = zeroblob(32) WHERE seq = (SELECT max(seq) FROM events)"],
    ["a document that is no text", `UPDATE events SET doc = CAST(doc AS BLOB) WHERE seq = ${row}`],
    ["a row less", "DELETE FROM events WHERE seq = 300"],
    ["the last row less", "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)"],
    ["a row before the first", "INSERT INTO events SELECT 0, doc, leaf FROM events WHERE seq = 1"],
    ["a row far behind the last", "INSERT INTO events SELECT 100000, doc, leaf FROM events WHERE seq = 1"],
    ["the head", "UPDATE tree_head SET hashes = zeroblob(length(hashes))"],
    ["the size of the head", "UPDATE tree_head SET size = size - 1"],
    ["no head", "DELETE FROM tree_head"],
    ["a node", "UPDATE tree_nodes SET hash = zeroblob(32) WHERE idx = 1"],
    ["a node less", "DELETE FROM tree_nodes WHERE idx = 0"],
    ["a node more", "INSERT INTO tree_nodes VALUES (8, 99, zeroblob(32))"],
    ["a checkpoint of another size", "UPDATE checkpoints SET size = size - 1"],
    ["a checkpoint's text", "UPDATE checkpoints SET note = replace(note, '\n', ' ')"],
    ["bytes of a blob", "UPDATE blobs SET bytes = x'6e756c6c' WHERE seq = (SELECT max(seq) FROM blobs)"],
    ["a blob's place", "UPDATE blobs SET id = id + 1600000 WHERE id = (SELECT max(id) FROM blobs)"],
    ["a blob less", "DELETE FROM blobs WHERE seq = (SELECT min(seq) FROM blobs)"],
    ["a blob under no hash", "UPDATE blobs SET ref = 'x' WHERE seq = (SELECT min(seq) FROM blobs)"],
    ["ids between which those of events lie", "UPDATE event_ids SET last = first WHERE block = 1"],
    ["an id that is no text", "UPDATE event_ids SET first = CAST(first AS BLOB) WHERE block = 1"],
    ["no ids of a block", "DELETE FROM event_ids WHERE block = 2"],
    ["ids of a block that is not there", "INSERT INTO event_ids VALUES (1000, 'x', 'x')"],
    ["ids of a block in front of the first", "INSERT INTO event_ids VALUES (-1, 'x', 'x')"],
    ["an agent that events are found by", "UPDATE event_keys SET key = key || char(0) WHERE block = 0"],
    ["another kind of key", "UPDATE event_keys SET kind = 'run' WHERE block = 0"],
    ["a kind of key that there is none of", "UPDATE event_keys SET kind = 'x' WHERE kind = 'run'"],
    ["a key that is no text", "UPDATE event_keys SET key = CAST(key AS BLOB) WHERE block = 0"],
    ["an event less to be found", "UPDATE event_keys SET places = substr(places, 1, 3) WHERE block = 0"],
    ["an event more to be found", "UPDATE event_keys SET places = places || ',255' WHERE block = 0"],
    ["places that are written otherwise", "UPDATE event_keys SET places = ' ' || places WHERE block = 0"],
    ["places that are no list", "UPDATE event_keys SET places = '[' WHERE block = 0"],
    ["places that are bytes", "UPDATE event_keys SET places = CAST(places AS BLOB) WHERE block = 0"],
    ["no agent of a block", "DELETE FROM event_keys WHERE block = 0"],
    ["an agent more", "INSERT INTO event_keys VALUES (1, 'agent', 'x', '5')"],
    ["an agent of a block that is not there", "INSERT INTO event_keys VALUES (1000, 'agent', 'x', '5')"],
    ["an agent between two blocks", "INSERT INTO event_keys VALUES (1.5, 'agent', 'x', '5')"],
    ["an authority in force again", "UPDATE authority SET revoked_seq = NULL"],
    ["a table of somebody else", "CREATE TABLE more (x)"],
  ])("of a log with %s changed", async (_, sql) => {
    const [one, two] = await verdicts(copied((db) => db.exec(sql)));
    expect(one?.ok).toBe(false);
    expect(two).toEqual(one);
  });

  test("of a text whose bytes are not UTF-8, and whose leaf is that of the text as it is shown", async () => {
    const database = copied((db) => {
      const text = db.prepare("SELECT doc FROM events WHERE seq = 400").pluck().get() as string;
      const bytes = Buffer.from(text.replace("x_note", "x_n\ufffdte")).toString("hex");
      const broken = Buffer.from(bytes.replace("efbfbd", "ff"), "hex");
      db.prepare("UPDATE events SET doc = CAST(? AS TEXT), leaf = ? WHERE seq = 400").run(
        broken,
        hashed(broken.toString("utf8")),
      );
    });
    const [one, two] = await verdicts(database);
    expect(one?.problems[0]).toMatchObject({ code: "entry_mismatch", seq: 400 });
    expect(two).toEqual(one);
  });

  test("of a log that was written anew in another encoding", async () => {
    const database = copied(() => undefined);
    const own = new Database(database);
    const statements = own
      .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
      .pluck()
      .all() as string[];
    const tables = own
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .pluck()
      .all() as string[];
    const [application, version] = ["application_id", "user_version"].map((name) =>
      Number(own.pragma(name, { simple: true })),
    );
    own.close();
    rmSync(database);
    const other = new Database(database);
    other.pragma("encoding = 'UTF-16le'");
    for (const sql of statements) other.exec(sql);
    other.close();
    const rows = new Database(join(source, "log.db"), { readonly: true });
    const target = new Database(database);
    for (const name of tables) {
      // Those that are stored: a generated one is not listed.
      const columns = (rows.pragma(`table_info(${name})`) as { name: string }[]).map((each) => each.name);
      const all = rows.prepare(`SELECT ${columns.join()} FROM ${name}`).raw().all() as unknown[][];
      const put = `INSERT INTO ${name} (${columns.join()}) VALUES (${columns.map(() => "?").join()})`;
      for (const each of all) target.prepare(put).run(...each);
    }
    target.pragma(`application_id = ${application}`);
    target.pragma(`user_version = ${version}`);
    rows.close();
    target.close();
    const [one, two] = await verdicts(database);
    expect(one?.problems[0]).toMatchObject({ code: "entry_mismatch", seq: 1 });
    expect(two).toEqual(one);
  });
});

test("the tree that the second thread grows is that of the model, at every size", () => {
  const database = copied(() => undefined);
  const db = new Database(database, { readonly: true });
  onTestFinished(() => void db.close());
  const leaves = db.prepare("SELECT leaf FROM events ORDER BY seq").pluck().all() as Buffer[];
  const sizes = Array.from({ length: leaves.length + 1 }, (_, size) => size);
  const survey = surveyTree(db, sizes);
  expect(survey).toMatchObject({ intact: true, size: leaves.length });
  expect(survey.roots.map(([size]) => size)).toEqual(sizes);
  for (const [size, root] of survey.roots)
    expect(Buffer.from(root)).toEqual(Buffer.from(treeRoot(nodeTreeHasher, leaves.slice(0, size))));
});

test("blobs of any size and form are held against their commitments", () => {
  const db = new Database(":memory:");
  onTestFinished(() => void db.close());
  db.exec(schema);
  const put = db.prepare("INSERT INTO blobs (id, ref, salt, bytes) VALUES (?, ?, ?, ?)");
  const wrong: unknown[] = [];
  for (let n = 0; n < 1_000; n++) {
    const salt = Buffer.alloc(n % 7 === 0 ? 0 : 16, n);
    const bytes = Buffer.alloc(n % 100 === 3 ? 5_000 + n : n % 61, n + 1);
    const ref = sha256Hex(Buffer.concat([salt, bytes]));
    const isWrong = n % 250 === 13;
    put.run(n * blobsOfEvent, ref, salt, isWrong ? Buffer.concat([bytes, Buffer.of(1)]) : bytes);
    if (isWrong) wrong.push({ seq: n, ref });
  }
  expect(surveyBlobs(db).unlike).toEqual(wrong);
});

test("both threads see one moment while others write", { timeout: 60_000 }, async () => {
  const database = join(folder(), "log.db");
  const pipeline = await createPipeline({ database, checkpointEvents: 5 });
  await pipeline.audit.emitEvent("x_note", {});
  let over = false;
  const writing = (async () => {
    while (!over) await pipeline.audit.emitEvent("x_note", {});
  })();
  for (let round = 0; round < 10; round++) {
    const image = await openSurveyedImage(database, 0);
    const verdict = await verifyLog(image, { ownKey: publicKeyBeside(`${database}.key`) });
    image.close();
    expect(verdict).toMatchObject({ ok: true, problems: [] });
  }
  over = true;
  await writing;
  await pipeline.close();
});

test("a thread that cannot work leaves all of it to the calling one", async () => {
  const database = copied(() => undefined);
  const db = new Database(database, { readonly: true });
  const thread = new SurveyThread(join(source, "nowhere", "log.db"), db);
  onTestFinished(() => {
    thread.stop();
    db.close();
  });
  expect(await thread.begin()).toBe(false);
  expect(await thread.tree([])).toBeUndefined();
  expect(await thread.integrity()).toEqual([]);
  expect(await thread.blobs()).toEqual({ unlike: [] });
});

test("a thread that is stopped in the middle keeps nobody waiting", async () => {
  const image = await openSurveyedImage(join(source, "log.db"), 0);
  const damage = image.tree([]);
  image.close();
  expect(await damage).toBeUndefined();
});
