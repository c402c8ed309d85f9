import { existsSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import type { AuthorityRow, CheckpointRow, EventRow, LogImage, RunRow } from "../../core/log-image.js";
import { StoreError } from "../../model/errors.js";
import { State } from "../../model/state.js";
import { assertNotOvertaken } from "./abandoned.js";
import { type Connection, isDamage, missingStore } from "./database.js";
import { damagedBy, guarded } from "./damage.js";
import { blobPageReader, entryReader, keyBlockReader } from "./image-pages.js";
import { loadState } from "./projection.js";
import { numberOfId, rangeOfRun } from "./event-query.js";
import { applicationId, blobOf, schema, schemaVersion } from "./schema.js";
import { type FileSurvey, surveyHere, SurveyThread } from "./survey.js";

// A damaged row can hold NULL where the schema forbids it, and casting does not change that: what is empty is found wrong.
const noteColumn = "coalesce(CAST(note AS TEXT), '') AS note";
const bytesColumn = (name: string) => `coalesce(CAST(${name} AS BLOB), x'') AS ${name}`;
const eventColumns =
  "seq, CASE typeof(doc) WHEN 'text' THEN CAST(doc AS BLOB) END AS doc, " +
  "CASE typeof(leaf) WHEN 'blob' THEN leaf END AS leaf";

/**
 * Opens a database read-only for an auditor: creates, migrates and changes nothing (beside a database that is
 * not open anywhere SQLite itself may leave an empty -wal and its -shm).
 *
 * @throws StoreError `missing_store`; `database_damaged` when it cannot be read as a database of ours.
 */
export function openImage(path: string): LogImage {
  if (!existsSync(path)) throw missingStore(path);
  let db: Connection | undefined;
  try {
    db = connect(path);
    begin(db);
    assertOurs(db, path);
    return imageOf(db, surveyHere(db));
  } catch (error) {
    db?.close();
    throw isDamage(error) ? damagedBy(error) : error;
  }
}

/**
 * The same, for whoever reads all of a long log: what needs nothing of the events is read on a second thread, from the
 * same moment of the database.
 *
 * @param fromBytes of the file; a shorter one is read before a thread has started. Default 32 MiB.
 * @throws StoreError as `openImage`.
 */
export async function openSurveyedImage(path: string, fromBytes = 2 ** 25): Promise<LogImage> {
  if (!existsSync(path)) throw missingStore(path);
  if (statSync(path).size < fromBytes) return openImage(path);
  let db: Connection | undefined;
  let thread: SurveyThread | undefined;
  try {
    db = connect(path);
    thread = new SurveyThread(path, db);
    const survey = (await beginTogether(path, db, thread)) ? thread : surveyHere(db);
    assertOurs(db, path);
    if (survey === thread) thread.start();
    else thread.stop();
    return imageOf(db, survey);
  } catch (error) {
    thread?.stop();
    db?.close();
    throw isDamage(error) ? damagedBy(error) : error;
  }
}

const attemptsMax = 200;

/**
 * Both begin to read with no commit of anybody in between. False when the thread cannot, or somebody writes so much
 * that it never comes to that: then the connection has begun alone.
 */
async function beginTogether(path: string, db: Connection, thread: SurveyThread): Promise<boolean> {
  const watch = connect(path);
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      // Other than before if and only if another connection committed meanwhile; this one never does.
      const before = watch.pragma("data_version", { simple: true });
      begin(db);
      const begun = await thread.begin();
      if (!begun || watch.pragma("data_version", { simple: true }) === before) return begun;
      if (attempt + 1 < attemptsMax) db.exec("ROLLBACK");
    }
    return false;
  } finally {
    watch.close();
  }
}

function connect(path: string): Connection {
  assertNotOvertaken(path);
  const db = new Database(path, { readonly: true, timeout: 2_000 });
  db.pragma("trusted_schema = OFF");
  return db;
}

/** All that follows sees one moment, whatever others append meanwhile. */
function begin(db: Connection): void {
  db.exec("BEGIN");
  // The moment is that of the first look.
  db.prepare("SELECT count(*) FROM sqlite_schema").get();
}

function assertOurs(db: Connection, path: string): void {
  const application = db.pragma("application_id", { simple: true });
  const version = db.pragma("user_version", { simple: true });
  if (application !== applicationId)
    throw new StoreError(
      "database_damaged",
      `\`${path}\` is not a database of synapse, or its header was changed`,
    );
  if (version !== schemaVersion) {
    throw new StoreError(
      "database_damaged",
      `\`${path}\` says that it has schema version ${String(version)}; this program knows ${schemaVersion}`,
      {
        hint:
          Number(version) > schemaVersion
            ? "when a newer synapse wrote it, verify it with that one"
            : "when an older synapse wrote it, any command that opens the log, like `synapse audit key`, brings it up to date",
      },
    );
  }
}

function imageOf(db: Connection, survey: FileSurvey): LogImage {
  const all = <T>(sql: string, ...parameters: readonly unknown[]): T[] =>
    guarded(() => db.prepare(sql).all(...parameters) as T[]);
  const get = <T>(sql: string, ...parameters: readonly unknown[]): T | undefined =>
    guarded(() => db.prepare(sql).get(...parameters) as T | undefined);
  const count = (table: string) => get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;
  // Those that are asked for again and again.
  const page = guarded(() =>
    db.prepare(`SELECT ${eventColumns} FROM events WHERE seq > ? ORDER BY seq LIMIT ?`),
  );
  const plain = guarded(() =>
    db.prepare("SELECT seq, doc FROM events WHERE seq > ? ORDER BY seq LIMIT ?").raw(),
  );
  const blob = guarded(() => db.prepare(`SELECT 1 FROM blobs WHERE ${blobOf}`));
  const blobBytes = guarded(() =>
    db.prepare(`SELECT ${bytesColumn("salt")}, ${bytesColumn("bytes")} FROM blobs WHERE ${blobOf}`),
  );
  const node = guarded(() => db.prepare("SELECT hash FROM tree_nodes WHERE level = ? AND idx = ?").pluck());
  return {
    damage: async () => [...(await survey.integrity()), ...schemaFaults(db), ...metaFaults(db)],
    logId: () => get<{ value: string }>("SELECT value FROM meta WHERE key = 'log_id'")?.value ?? "",
    eventCount: () => count("events"),
    lastSeq: () => get<{ last: number }>("SELECT coalesce(max(seq), 0) AS last FROM events")?.last ?? 0,
    eventsBeside: (last) =>
      get<{ n: number }>(
        "SELECT (SELECT count(*) FROM events WHERE seq < 1) + (SELECT count(*) FROM events WHERE seq > ?) AS n",
        last,
      )?.n ?? 0,
    events: (after, limit) => guarded(() => page.all(after, limit) as EventRow[]).map(known),
    entries: entryReader(db),
    documents: (after, limit) => guarded(() => plain.all(after, limit) as [number, unknown][]),
    rotationRows: () =>
      all<{ seq: unknown }>("SELECT seq FROM key_rotations ORDER BY seq").map(({ seq }) => seq),
    keyRotations: () =>
      all<EventRow>(
        `SELECT ${eventColumns} FROM events WHERE seq IN (SELECT seq FROM key_rotations) ORDER BY seq`,
      ).map(known),
    rangeOfRun: (runId) => {
      const [row] = all<{ first: number | null; last: number | null }>(rangeOfRun, { runId });
      if (row === undefined || row.first === null || row.last === null) return undefined;
      return { first: row.first, last: row.last };
    },
    newestRun: () =>
      get<{ run_id: string }>("SELECT run_id FROM runs ORDER BY started_seq DESC LIMIT 1")?.run_id,
    eventById: (id) => {
      const [row] = all<EventRow>(`SELECT ${eventColumns} FROM events WHERE seq IN (${numberOfId})`, { id });
      return row === undefined ? undefined : known(row);
    },
    keyBlock: keyBlockReader(db),
    keyCount: () => count("event_keys") + count("event_ids"),
    head: () => all(`SELECT size, ${bytesColumn("hashes")} FROM tree_head`),
    node: (level, index) => bytesOf(guarded(() => node.get(level, index))),
    nodeCount: () => count("tree_nodes"),
    checkpointAfter: (size) =>
      get<CheckpointRow>(
        `SELECT size, ${noteColumn} FROM checkpoints WHERE size > ? ORDER BY size LIMIT 1`,
        size,
      ),
    newestCheckpoint: () =>
      get<CheckpointRow>(`SELECT size, ${noteColumn} FROM checkpoints ORDER BY size DESC LIMIT 1`),
    authority: () =>
      rows<AuthorityRow>(
        db,
        "SELECT id, kind, created_seq, revoked_seq, uses FROM authority ORDER BY created_seq",
      ),
    rateUses: (id) => all("SELECT n, at FROM rate_uses WHERE id = ? ORDER BY n", id),
    rated: () => all<{ id: string }>("SELECT DISTINCT id FROM rate_uses ORDER BY id").map(({ id }) => id),
    suspended: () =>
      all<{ agent_id: string }>("SELECT agent_id FROM suspended ORDER BY agent_id").map(
        (row) => row.agent_id,
      ),
    openSteps: () => rows(db, "SELECT request_id, seq FROM open_steps ORDER BY seq"),
    runs: () =>
      rows<RunRow>(
        db,
        // By name: where the schema is damaged a column may have another one.
        "SELECT run_id, workflow, status, started_seq, started_at, ended_at, writer FROM runs ORDER BY started_seq",
      ),
    policies: () => rows(db, "SELECT name, file FROM policies ORDER BY name"),
    hasBlob: ({ seq, ref }) => guarded(() => blob.get({ seq, ref })) !== undefined,
    blob: ({ seq, ref }) =>
      guarded(() => blobBytes.get({ seq, ref }) as { salt: Uint8Array; bytes: Uint8Array } | undefined),
    state: () =>
      guarded(() => {
        const state = new State();
        loadState(db, state);
        return state;
      }),
    blobsOf: blobPageReader(db),
    blobsLike: (refs) =>
      all(
        "SELECT seq, ref FROM blobs WHERE ref IN (SELECT value FROM json_each(?)) ORDER BY id",
        JSON.stringify(refs),
      ),
    blobs: () => survey.blobs(),
    isSurveyed: survey.isBeside,
    tree: (sizes) => survey.tree(sizes),
    close: () => {
      survey.stop();
      db.close();
    },
  };
}

/** A trigger, a view in a table's place or a column computed otherwise would make the tables say what the log does not. */
function schemaFaults(db: Connection): string[] {
  const fresh = new Database(":memory:");
  try {
    fresh.exec(schema);
    const list =
      "SELECT type, name, tbl_name, typeof(sql) AS kind, coalesce(CAST(sql AS TEXT), '') AS sql FROM sqlite_schema ORDER BY type, name";
    // A damaged row may hold bytes where a text was: `kind` tells them apart.
    type Row = { type: string; name: string; tbl_name: string; kind: string; sql: string };
    const text = (row: Row) =>
      JSON.stringify([row.type, row.name, row.tbl_name, row.kind, unspaced(row.sql)]);
    const expected = fresh.prepare(list).all() as Row[];
    const found = guarded(() => db.prepare(list).all() as Row[]);
    const known = new Set(expected.map(text));
    const present = new Set(found.map(text));
    return [
      ...found
        .filter((row) => !known.has(text(row)))
        .map((row) => `the ${row.type} \`${row.name}\` is not ours`),
      ...expected
        .filter((row) => !present.has(text(row)))
        .map((row) => `the ${row.type} \`${row.name}\` is missing`),
    ];
  } finally {
    fresh.close();
  }
}

/** SQLite writes a column that a migration added behind the line break where the table's text ended. */
function unspaced(sql: string): string {
  return sql.replace(/\s+/g, " ").replace(/ ?([(),]) ?/g, "$1");
}

/** One row, made with the log: what else there is, is not ours. */
function metaFaults(db: Connection): string[] {
  const keys = guarded(() => db.prepare("SELECT key FROM meta WHERE key IS NOT 'log_id'").pluck().all());
  return keys.map((key) => `the row \`${String(key)}\` of \`meta\` is not ours`);
}

function* rows<T>(db: Connection, sql: string): Iterable<T> {
  try {
    yield* db.prepare(sql).iterate() as IterableIterator<T>;
  } catch (error) {
    throw isDamage(error) ? damagedBy(error) : error;
  }
}

function known(row: EventRow): EventRow {
  return { seq: row.seq, doc: bytesOf(row.doc), leaf: bytesOf(row.leaf) };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}
