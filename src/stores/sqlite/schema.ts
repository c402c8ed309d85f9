import { eventsOfBlock, type KeyKind } from "../../core/event-keys.js";
import { blobsOfEvent } from "./blob-place.js";

/** `SYNP`: tells our files from other people's SQLite databases. */
export const applicationId = 0x53594e50;
export const schemaVersion = 7;

/** Who writes at present (src/core/lease.ts). */
const leasesTable = `CREATE TABLE leases (
  writer TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL,
  host TEXT NOT NULL, boot TEXT NOT NULL, renewed_at INTEGER NOT NULL
) WITHOUT ROWID;`;

const rotationsTable = "CREATE TABLE key_rotations (seq INTEGER PRIMARY KEY);";

/** What events are found by, of each block of them (src/core/event-keys.ts): a new one touches one page. */
const keyTables = `CREATE TABLE event_ids (block INTEGER PRIMARY KEY, first TEXT NOT NULL, last TEXT NOT NULL);
CREATE TABLE event_keys (
  block INTEGER, kind TEXT, key TEXT, places TEXT NOT NULL, PRIMARY KEY (block, kind, key)
) WITHOUT ROWID;
CREATE INDEX blocks_by_key ON event_keys (kind, key);`;

/** A damaged document must not keep a log from being opened and looked at: it says nothing. */
const said = "CASE WHEN typeof(doc) = 'text' AND json_valid(doc) THEN doc ELSE '{}' END";
const member = (name: string) => `(${said} ->> '$.${name}')`;

/** The same of all that the tables know, from what events say. */
const keysOf = (kind: KeyKind) => `INSERT INTO event_keys
  SELECT seq / ${eventsOfBlock}, '${kind}', ${member(`${kind}_id`)}, group_concat(seq % ${eventsOfBlock}, ',' ORDER BY seq)
  FROM events WHERE seq <= (SELECT size FROM tree_head) AND json_type(${said}, '$.${kind}_id') = 'text' GROUP BY 1, 3;`;
const fillKeyTables = `INSERT INTO event_ids
  SELECT seq / ${eventsOfBlock}, coalesce(min(${member("id")}), ''), coalesce(max(${member("id")}), '')
  FROM events WHERE seq <= (SELECT size FROM tree_head) GROUP BY 1;
${keysOf("agent")} ${keysOf("run")}`;

/**
 * By the event that commits to them, so that what is kept together is written and read together: `id` is made
 * of its number and of which one of its blobs it is. A table that is stored by its rowid holds rows of four KiB in one
 * page; by another key each of more than one KiB would have a page of its own beside it.
 */
const blobsTable = `CREATE TABLE blobs (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL, salt BLOB NOT NULL, bytes BLOB NOT NULL,
  seq INTEGER GENERATED ALWAYS AS (id / ${blobsOfEvent}) VIRTUAL
);`;

/** The blob that a `BlobKey` means. */
export const blobOf = `id BETWEEN :seq * ${blobsOfEvent} AND :seq * ${blobsOfEvent} + ${blobsOfEvent - 1} AND ref = :ref`;

/**
 * What each older version lacks: entry n brings version n + 1 to version n + 2. What a later one makes anew is not made
 * on the way there: some indices of version 1 and 2, what events are found by in 4 and 5.
 */
export const migrations: readonly string[] = [
  `ALTER TABLE runs ADD COLUMN writer TEXT; ${leasesTable}`,
  "",
  `DROP INDEX events_by_run; DROP INDEX events_by_agent;
  DROP INDEX IF EXISTS events_by_id; DROP INDEX IF EXISTS key_rotations;
  ALTER TABLE events DROP COLUMN run_id; ALTER TABLE events DROP COLUMN agent_id; ALTER TABLE events DROP COLUMN event;
  ${rotationsTable}
  INSERT INTO key_rotations SELECT seq FROM events WHERE ${member("event")} = 'key_rotated';
  ALTER TABLE blobs RENAME TO blobs_by_ref;
  CREATE TABLE blobs (
    seq INTEGER, ref TEXT, salt BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (seq, ref)
  ) WITHOUT ROWID;
  INSERT OR IGNORE INTO blobs SELECT e.seq, b.ref, b.salt, b.bytes
    FROM events e, json_each(${said}) j, blobs_by_ref b
    WHERE j.key LIKE '%\\_commitment' ESCAPE '\\' AND b.ref = j.atom;
  INSERT INTO blobs SELECT 0, ref, salt, bytes FROM blobs_by_ref WHERE ref NOT IN (SELECT ref FROM blobs);
  DROP TABLE blobs_by_ref;`,
  // Bytes that no event commits to were under 0; whatever has no place with an event stands in front of all of them.
  `ALTER TABLE blobs RENAME TO blobs_by_seq;
  ${blobsTable}
  INSERT INTO blobs (id, ref, salt, bytes)
    SELECT CASE WHEN seq BETWEEN 1 AND ${2 ** 48} AND n <= ${blobsOfEvent} THEN seq * ${blobsOfEvent} + n - 1 ELSE -m END,
      ref, salt, bytes
    FROM (SELECT *, row_number() OVER (PARTITION BY seq ORDER BY ref) AS n, row_number() OVER (ORDER BY seq, ref) AS m
      FROM blobs_by_seq);
  DROP TABLE blobs_by_seq;`,
  // They had an entry for each event.
  `DROP TABLE IF EXISTS event_keys; ${keyTables} ${fillKeyTables}`,
  // The list of runs needs nothing: whatever started or ended a run had brought it to the end of the log.
  "",
];

/*
 * `events` is the truth: one RFC 8785 document a row. `blobs` (bytes behind commitments, erasable), `memory` (the
 * agents' key-value space), `checkpoints` and `leases` stand beside it. `runs` and `policies` are lists of all events.
 * All the rest are projections of the first `tree_head.size` of them, brought up to date in the transaction of an event
 * that changes more than open steps and uses, and otherwise every two thousand events (projections.ts): so a step writes
 * few pages.
 */
export const schema = `
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  doc TEXT NOT NULL,
  leaf BLOB NOT NULL
);
CREATE TABLE tree_head (size INTEGER NOT NULL, hashes BLOB NOT NULL);
INSERT INTO tree_head VALUES (0, x'');
CREATE TABLE tree_nodes (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('log_id', lower(hex(randomblob(8))));
${keyTables}
${rotationsTable}
CREATE TABLE authority (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('contract', 'binding')),
  created_seq INTEGER NOT NULL UNIQUE REFERENCES events (seq),
  revoked_seq INTEGER,
  uses INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE rate_uses (id TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (id, n)) WITHOUT ROWID;
CREATE TABLE suspended (agent_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE open_steps (request_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, workflow TEXT NOT NULL, status TEXT NOT NULL,
  started_seq INTEGER NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, writer TEXT
) WITHOUT ROWID;
${leasesTable}
CREATE INDEX runs_by_start ON runs (started_seq);
CREATE TABLE policies (name TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID;
${blobsTable}
CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;
