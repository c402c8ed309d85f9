import Database from "better-sqlite3";
import type { Connection } from "./database.js";
import type { StoreFiles } from "./file-identity.js";
import { WalMover } from "./wal-mover.js";

/** So many pages are moved into the database: behind a commit that was slow anyway, or by any. */
const pages = { toMove: 1_000, atLatest: 8_000 };

/** How long a database that is closed waits for what is being moved; a disk that is slower keeps its `-wal` file. */
export const patienceMs = 10_000;

/** A step has three events in two commits, and with uses of handles more commits: more than that are several steps. */
const eventsOfOne = 3;

/** When pages of the write-ahead log go into the database, and on which thread. */
export class WriteAheadLog {
  readonly #db: Connection;
  readonly #mover: WalMover | undefined;

  /** @param files undefined for a database in memory. */
  constructor(db: Connection, files: StoreFiles | undefined) {
    this.#db = db;
    db.pragma(`wal_autocheckpoint = ${pages.atLatest}`);
    this.#mover = files && new WalMover(files, () => this.#moveHere());
  }

  /**
   * After a commit that was slow anyway, or when much was written. It never throws what the database says: what was
   * committed stays so.
   *
   * @param events a commit since the last time, on average.
   */
  moveAfter(events: number): void {
    const mover = this.#mover;
    if (mover === undefined) return;
    this.#quietly(() => {
      const [state] = this.#db.pragma("wal_checkpoint(NOOP)") as { log: number; checkpointed: number }[];
      if (state === undefined || state.log - state.checkpointed < pages.toMove) return;
      // Where many wait for the next commit, it goes on meanwhile. A lone caller waits once here, and would wait several
      // times there: for a disk that is busy with what is moved.
      if (events > eventsOfOne) mover.start();
      else this.#moveHere();
    });
  }

  /** Moves everything at once. False when that may be for later: somebody reads what is older, or moves it himself. */
  rescue(): boolean {
    let isDone = true;
    this.#quietly(() => {
      const [state] = this.#db.pragma("wal_checkpoint(PASSIVE)") as {
        busy: number;
        log: number;
        checkpointed: number;
      }[];
      isDone = state?.busy === 0 && state.log === state.checkpointed;
    });
    return isDone;
  }

  /** Call before the connection is closed for good, so that it is the last one: that empties and removes the file. */
  stop(): void {
    this.#mover?.stop(patienceMs);
  }

  /** The connection is given up, and the file goes on: nobody waits. */
  abandon(): void {
    this.#mover?.stop(0);
  }

  #moveHere(): void {
    this.#quietly(() => this.#db.pragma("wal_checkpoint(PASSIVE)"));
  }

  #quietly(move: () => void): void {
    try {
      move();
    } catch (error) {
      // What was committed is safe where it is, and is moved another time: SQLite does not tell of it either when it
      // moves pages behind a commit. A disk that fails is met by the next commit, which says so.
      if (!(error instanceof Database.SqliteError)) throw error;
    }
  }
}
