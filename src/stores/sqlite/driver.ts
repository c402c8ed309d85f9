import { statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type {
  Blob,
  BlobKey,
  EventFilter,
  StoredCheckpoint,
  StoredRun,
  StoreDriver,
  StoreTransaction,
} from "../../core/store.js";
import type { Lease } from "../../core/lease.js";
import { nodeTreeHasher } from "../../core/tree-hasher.js";
import type { AuditEvent } from "../../model/event.js";
import type { JsonValue } from "../../model/json.js";
import type { CompactRange } from "../../model/proof/compact-range.js";
import type { State } from "../../model/state.js";
import { CheckpointTable } from "./checkpoint-table.js";
import { type Connection, isBusy, openDatabase } from "./database.js";
import { assertSameFile, type FileIdentity, identityOf } from "./file-identity.js";
import { LeaseTable } from "./lease-table.js";
import { eventOf, loadState } from "./projection.js";
import { Projections } from "./projections.js";
import { Queries } from "./queries.js";
import { blobsOfEvent } from "./blob-place.js";
import { verifyTail } from "./tail.js";
import { TreeTable } from "./tree-table.js";
import { WriteAheadLog } from "./write-ahead-log.js";

/** The embedded store: one SQLite file in write-ahead mode, on the calling thread. */
export class SqliteDriver implements StoreDriver {
  readonly location: string;
  /** Absolute: the process may change its folder. */
  readonly #path: string;
  #db: Connection;
  #session: Session;
  readonly #file: FileIdentity | undefined;
  #wal: WriteAheadLog;

  constructor(location: string, options: { readonly create: boolean }) {
    this.location = location;
    this.#db = openDatabase(location, options);
    this.#path = location === ":memory:" ? location : resolve(location);
    this.#file = identityOf(this.#path);
    this.#session = sessionOf(this.#db);
    this.#wal = new WriteAheadLog(this.#db, this.#path, this.#file);
  }

  load(state: State): void {
    this.#db.transaction(() => loadState(this.#db, state)).deferred();
  }

  begin(): StoreTransaction | undefined {
    assertSameFile(this.#path, this.#file);
    try {
      this.#session.begin.run();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
    return transactionOf(this.#session, (events) => this.#wal.moveAfter(events));
  }

  eventsAfter(seq: number): AuditEvent[] {
    return eventsAfter(this.#session, seq);
  }

  readEvents(filter: EventFilter): AuditEvent[] {
    return this.#session.queries.events(filter);
  }

  runs(limit: number): StoredRun[] {
    return this.#session.queries.runs(limit);
  }

  run(runId: string): StoredRun | undefined {
    return this.#session.queries.run(runId);
  }

  leases(): Lease[] {
    return this.#session.leases.all();
  }

  policyFiles(): readonly string[] {
    return this.#session.queries.policyFiles();
  }

  blob(key: BlobKey): Blob | undefined {
    return this.#session.queries.blob(key);
  }

  keepsBlob(ref: string): boolean {
    return this.#session.queries.keepsBlob(ref);
  }

  memoryValue(key: string): JsonValue | undefined {
    return this.#session.queries.memoryValue(key);
  }

  keyRotation(): AuditEvent | undefined {
    return this.#session.queries.keyRotation();
  }

  keyFiles(): readonly string[] {
    if (this.location === ":memory:") return [];
    return [".key", ".key.next", ".token-key"].map((suffix) => this.#path + suffix);
  }

  freeBytes(): number | undefined {
    if (this.location === ":memory:") return undefined;
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize;
  }

  reopen(): void {
    // A database in memory is gone when it is closed; its transaction was rolled back, and that is all there is.
    if (this.location === ":memory:") return;
    assertSameFile(this.#path, this.#file);
    const known = this.#session.tree.known;
    this.#wal.abandon();
    this.#db.close();
    this.#db = openDatabase(this.#path, { create: false });
    assertSameFile(this.#path, this.#file);
    // Held by the old one until the new one is verified: a second attempt has to start from what was known.
    const session = sessionOf(this.#db, known);
    if (known !== undefined) verifyTail(this.#db, nodeTreeHasher, known);
    this.#session = session;
    this.#wal = new WriteAheadLog(this.#db, this.#path, this.#file);
  }

  async scrub(): Promise<boolean> {
    // Pages keep remains of rows that moved between them, in space that is free by now and that `secure_delete`
    // does not reach: the whole file is written anew.
    const steps = [
      () => {
        this.#db.exec("VACUUM");
        return true;
      },
      () => {
        const [row] = this.#db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
        return row?.busy === 0;
      },
    ];
    const until = performance.now() + 5_000;
    for (const step of steps) {
      while (!isDone(step)) {
        if (performance.now() > until) return false;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    return true;
  }

  logId(): string {
    return this.#session.checkpoints.logId();
  }

  treeHead(): { readonly size: number; readonly root: Uint8Array } {
    return this.#session.tree.root();
  }

  treeNode(level: number, index: number): Uint8Array {
    return this.#session.tree.read(level, index);
  }

  checkpoint(size?: number): StoredCheckpoint | undefined {
    return this.#session.checkpoints.at(size);
  }

  checkpoints(after: number, limit: number): StoredCheckpoint[] {
    return this.#session.checkpoints.list(after, limit);
  }

  close(): void {
    this.#wal.stop();
    this.#db.close();
  }
}

/** Whether a step was done, and not kept waiting by another process. */
function isDone(step: () => boolean): boolean {
  try {
    return step();
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  }
}

type Session = ReturnType<typeof sessionOf>;

/** Everything that is prepared once for a connection. */
function sessionOf(db: Connection, known?: CompactRange) {
  const tree = new TreeTable(db, nodeTreeHasher, known);
  return {
    db,
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    append: db.prepare("INSERT INTO events (seq, doc, leaf) VALUES (?, ?, ?)"),
    after: db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq"),
    // Bytes that somebody put where an event was still to come give way to its own.
    putBlob: db.prepare("INSERT OR REPLACE INTO blobs (id, ref, salt, bytes) VALUES (?, ?, ?, ?)"),
    // Over itself first: deleting alone leaves the overwriting to `secure_delete`.
    blankBlob: db.prepare(
      "UPDATE blobs SET salt = zeroblob(length(salt)), bytes = zeroblob(length(bytes)) WHERE ref = ?",
    ),
    eraseBlob: db.prepare("DELETE FROM blobs WHERE ref = ?"),
    setMemory: db.prepare(
      "INSERT INTO memory VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    ),
    queries: new Queries(db),
    tree,
    projections: new Projections(db, tree),
    since: nothing(),
    checkpoints: new CheckpointTable(db),
    leases: new LeaseTable(db),
  };
}

/** What was written since pages of the write-ahead log were last looked at. */
function nothing(): { events: number; commits: number; bytes: number } {
  return { events: 0, commits: 0, bytes: 0 };
}

/** With large blobs, so much is written long before the tables follow. */
const bytesUnmoved = 4 * 1024 * 1024;

/** @param moveWal called after a commit behind which pages may be moved, with the events of a commit on average. */
function transactionOf(session: Session, moveWal: (events: number) => void): StoreTransaction {
  session.tree.reset();
  session.projections.reset();
  const written = nothing();
  /** Of each event, the blobs of this transaction. */
  const kept = new Map<number, readonly string[]>();
  return {
    eventsAfter: (seq) => eventsAfter(session, seq),
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

function eventsAfter(session: Session, seq: number): AuditEvent[] {
  return (session.after.all(seq) as { doc: string }[]).map(eventOf);
}
