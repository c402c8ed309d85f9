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
import type { State } from "../../model/state.js";
import { abandon, hold, release } from "./abandoned.js";
import { type Connection, isBusy, openDatabase } from "./database.js";
import { StoreFiles } from "./file-identity.js";
import { loadState } from "./projection.js";
import { Session, transactionOf } from "./session.js";
import { verifyTail } from "./tail.js";
import { patienceMs, WriteAheadLog } from "./write-ahead-log.js";

/** The embedded store: one SQLite file in write-ahead mode, on the calling thread. */
export class SqliteDriver implements StoreDriver {
  readonly location: string;
  /** Absolute: the process may change its folder. */
  readonly #path: string;
  #db: Connection;
  #session: Session;
  /** Undefined in memory. */
  #files: StoreFiles | undefined;
  #wal: WriteAheadLog;

  constructor(location: string, options: { readonly create: boolean }) {
    this.location = location;
    this.#db = openDatabase(location, options);
    this.#path = location === ":memory:" ? location : resolve(location);
    this.#files = location === ":memory:" ? undefined : new StoreFiles(this.#path);
    this.#session = new Session(this.#db);
    this.#wal = new WriteAheadLog(this.#db, this.#files);
    if (this.#files !== undefined) hold(this.#files);
  }

  load(state: State): void {
    this.#db.transaction(() => loadState(this.#db, state)).deferred();
  }

  begin(): StoreTransaction | undefined {
    this.#assertSameFiles();
    try {
      this.#session.begin.run();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
    return transactionOf(this.#session, (events) => this.#wal.moveAfter(events));
  }

  eventsAfter(seq: number): AuditEvent[] {
    return this.#session.eventsAfter(seq);
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
    const files = this.#files;
    if (files === undefined) return;
    const known = this.#session.tree.known;
    // Closed by an attempt that failed: then the files beside it are gone as they should be.
    if (this.#db.open) {
      this.#assertSameFiles(true);
      this.#wal.abandon();
      this.#db.close();
      release(files);
    }
    files.assertSameDatabase();
    this.#db = openDatabase(this.#path, { create: false });
    this.#files = new StoreFiles(this.#path, files.database);
    hold(this.#files);
    this.#wal = new WriteAheadLog(this.#db, this.#files);
    this.#files.assertSame();
    // Held by the old one until the new one is verified: a second attempt has to start from what was known.
    const session = new Session(this.#db, known);
    if (known !== undefined) verifyTail(this.#db, nodeTreeHasher, known);
    this.#session = session;
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
    // By an attempt to open it anew that failed.
    if (!this.#db.open) return;
    const files = this.#files;
    if (files?.hasLostLog === true) this.#rescueBeforeClosing();
    if (files?.areOvertaken === true) return abandon(this.#db);
    this.#db.close();
    if (files !== undefined) release(files);
  }

  #assertSameFiles(wholly = false): void {
    try {
      this.#files?.assertSame(wholly);
    } catch (error) {
      // What was committed before the file was gone has been acted on: it is brought where the next process finds it.
      if (this.#files?.hasLostLog === true) this.#wal.rescue();
      throw error;
    }
  }

  /** Whoever reads what is older keeps it from being moved; it is in no file any more that another process finds. */
  #rescueBeforeClosing(): void {
    const until = performance.now() + patienceMs;
    while (!this.#wal.rescue() && performance.now() < until)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
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
