import { blobsOfEvent } from "./blob-place.js";

/** `SYNP`: tells our files from other people's SQLite databases. */
export const applicationId = 0x53594e50;
export const schemaVersion = 5;

/** Who writes at present (src/core/lease.ts). */
const leasesTable = `CREATE TABLE leases (
  writer TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL,
  host TEXT NOT NULL, boot TEXT NOT NULL, renewed_at INTEGER NOT NULL
) WITHOUT ROWID;`;

/** What events are found by. Ids are given out in order of time (src/core/defaults.ts): a new one touches one page. */
const keyTables = `CREATE TABLE event_keys (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, run_id TEXT, agent_id TEXT);
CREATE INDEX events_by_id ON event_keys (id);
CREATE INDEX events_by_run ON event_keys (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX events_by_agent ON event_keys (agent_id) WHERE agent_id IS NOT NULL;
CREATE TABLE key_rotations (seq INTEGER PRIMARY KEY);`;

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
 * What each older version lacks: entry n brings version n + 1 to version n + 2. Of version 1 and 2 some indices were
 * made anew with version 4, so they are not made on the way there.
 */
export const migrations: readonly string[] = [
  `ALTER TABLE runs ADD COLUMN writer TEXT; ${leasesTable}`,
  "",
  `DROP INDEX events_by_run; DROP INDEX events_by_agent;
  DROP INDEX IF EXISTS events_by_id; DROP INDEX IF EXISTS key_rotations;
  ALTER TABLE events DROP COLUMN run_id; ALTER TABLE events DROP COLUMN agent_id; ALTER TABLE events DROP COLUMN event;
  ${keyTables}
  INSERT INTO event_keys SELECT seq, doc ->> '$.id', doc ->> '$.run_id', doc ->> '$.agent_id' FROM events ORDER BY seq;
  INSERT INTO key_rotations SELECT seq FROM events WHERE doc ->> '$.event' = 'key_rotated';
  ALTER TABLE blobs RENAME TO blobs_by_ref;
  CREATE TABLE blobs (
    seq INTEGER, ref TEXT, salt BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (seq, ref)
  ) WITHOUT ROWID;
  INSERT OR IGNORE INTO blobs SELECT e.seq, b.ref, b.salt, b.bytes
    FROM events e, json_each(e.doc) j, blobs_by_ref b
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
];

/*
 * `events` is the truth: one RFC 8785 document a row. `blobs` (bytes behind commitments, erasable), `memory` (the
 * agents' key-value space), `checkpoints` and `leases` stand beside it. All the rest are projections of the first
 * `tree_head.size` events, brought up to date in the transaction of an event that changes more than open steps and
 * uses, and otherwise every few hundred events (projections.ts): so a step writes few pages.
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
