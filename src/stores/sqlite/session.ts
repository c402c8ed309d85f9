import type Database from "better-sqlite3";
import type { StoreTransaction } from "../../core/store.js";
import { nodeTreeHasher } from "../../core/tree-hasher.js";
import type { AuditEvent } from "../../model/event.js";
import type { CompactRange } from "../../model/proof/compact-range.js";
import { blobsOfEvent } from "./blob-place.js";
import { CheckpointTable } from "./checkpoint-table.js";
import type { Connection } from "./database.js";
import { LeaseTable } from "./lease-table.js";
import { eventOf } from "./projection.js";
import { Projections } from "./projections.js";
import { Queries } from "./queries.js";
import { TreeTable } from "./tree-table.js";

type Statement = Database.Statement;

/** Everything that is prepared once for a connection. */
export class Session {
  readonly db: Connection;
  readonly begin: Statement;
  readonly commit: Statement;
  readonly rollback: Statement;
  readonly append: Statement;
  readonly after: Statement;
  readonly putBlob: Statement;
  readonly blankBlob: Statement;
  readonly eraseBlob: Statement;
  readonly setMemory: Statement;
  readonly queries: Queries;
  readonly tree: TreeTable;
  readonly projections: Projections;
  readonly checkpoints: CheckpointTable;
  readonly leases: LeaseTable;
  since = nothing();

  /** @param known the tree as it was, of a connection that was given up. */
  constructor(db: Connection, known?: CompactRange) {
    this.db = db;
    this.begin = db.prepare("BEGIN IMMEDIATE");
    this.commit = db.prepare("COMMIT");
    this.rollback = db.prepare("ROLLBACK");
    this.append = db.prepare("INSERT INTO events (seq, doc, leaf) VALUES (?, ?, ?)");
    this.after = db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq");
    // Bytes that somebody put where an event was still to come give way to its own.
    this.putBlob = db.prepare("INSERT OR REPLACE INTO blobs (id, ref, salt, bytes) VALUES (?, ?, ?, ?)");
    // Over itself first: deleting alone leaves the overwriting to `secure_delete`.
    this.blankBlob = db.prepare(
      "UPDATE blobs SET salt = zeroblob(length(salt)), bytes = zeroblob(length(bytes)) WHERE ref = ?",
    );
    this.eraseBlob = db.prepare("DELETE FROM blobs WHERE ref = ?");
    this.setMemory = db.prepare(
      "INSERT INTO memory VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    );
    this.queries = new Queries(db);
    this.tree = new TreeTable(db, nodeTreeHasher, known);
    this.projections = new Projections(db, this.tree);
    this.checkpoints = new CheckpointTable(db);
    this.leases = new LeaseTable(db);
  }

  eventsAfter(seq: number): AuditEvent[] {
    return (this.after.all(seq) as { doc: string }[]).map(eventOf);
  }
}

/** What was written since pages of the write-ahead log were last looked at. */
function nothing(): { events: number; commits: number; bytes: number } {
  return { events: 0, commits: 0, bytes: 0 };
}

/** With large blobs, so much is written long before the tables follow. */
const bytesUnmoved = 4 * 1024 * 1024;

/** @param moveWal called after a commit behind which pages may be moved, with the events of a commit on average. */
export function transactionOf(session: Session, moveWal: (events: number) => void): StoreTransaction {
  session.tree.reset();
  session.projections.reset();
  const written = nothing();
  /** Of each event, the blobs of this transaction. */
  const kept = new Map<number, readonly string[]>();
  return {
    eventsAfter: (seq) => session.eventsAfter(seq),
    append: (event, text, changes) => {
      session.append.run(event.seq, text, session.tree.append(event.seq, text));
      session.projections.note(event, changes);
      written.events++;
      written.bytes += text.length;
    },
    putBlob: (seq, { ref, salt, bytes }) => {
      const refs = kept.get(seq) ?? [];
      if (refs.includes(ref)) return;
      if (refs.length === blobsOfEvent) throw new RangeError(`an event keeps at most ${blobsOfEvent} blobs`);
      session.putBlob.run(seq * blobsOfEvent + refs.length, ref, salt, bytes);
      kept.set(seq, [...refs, ref]);
      written.bytes += bytes.length;
    },
    eraseBlob: (ref) => {
      session.blankBlob.run(ref);
      session.eraseBlob.run(ref);
    },
    setMemory: (key, value) => {
      session.setMemory.run(key, JSON.stringify(value));
    },
    putCheckpoint: (checkpoint) => {
      session.checkpoints.put(checkpoint);
      session.projections.suggest();
    },
    putLease: (lease) => session.leases.put(lease),
    removeLease: (writer) => {
      session.leases.remove(writer);
      session.projections.settle();
    },
    commit: () => {
      const follows = session.projections.save();
      session.commit.run();
      session.tree.saved();
      session.projections.saved();
      const { since } = session;
      since.commits++;
      since.events += written.events;
      since.bytes += written.bytes;
      if (!follows && since.bytes < bytesUnmoved) return;
      session.since = nothing();
      moveWal(since.events / since.commits);
    },
    rollback: () => {
      session.tree.reset();
      if (session.db.inTransaction) session.rollback.run();
    },
  };
}
