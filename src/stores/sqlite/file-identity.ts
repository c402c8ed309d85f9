import { type BigIntStats, existsSync, realpathSync, statSync } from "node:fs";
import { StoreError } from "../../model/errors.js";

/** Which file a connection is to: a path alone may be another file by now. */
export interface FileIdentity {
  readonly path: string;
  /** Undefined when there was no such file, or it could not be looked at: then none is the same. */
  readonly dev: bigint | undefined;
  readonly ino: bigint | undefined;
}

const asked = Object.freeze({ bigint: true, throwIfNoEntry: false });

export function identityOf(path: string): FileIdentity {
  const found = look(path);
  return { path, dev: found?.dev, ino: found?.ino };
}

/** What cannot be looked at, in a folder that was closed or behind a link to itself, is as good as gone. */
function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, asked);
  } catch {
    return undefined;
  }
}

/**
 * How often it is asked whether the files beside the database are those that were opened; whether the write-ahead log is
 * there is asked every time. One whose times were asked for takes some kernels half as long again to be written and
 * synced (Linux 6.13, multigrain timestamps).
 */
const partsMs = 100;

/**
 * The files of an open database. They stay the same as long as a connection is open: only the last one of all that
 * closes removes the write-ahead log and the shared memory.
 *
 * - The write-ahead log holds what was committed lately, and for a process that is killed that is all there is of it.
 * - The shared memory holds the locks: who finds no such file makes one, and writes beside those who have the old one.
 */
export class StoreFiles {
  readonly database: FileIdentity;
  readonly log: FileIdentity;
  readonly memory: FileIdentity;
  #seenAt = performance.now();

  /**
   * @param path absolute; SQLite keeps the other files beside what it leads to.
   * @param database which file it is, when that was known before.
   */
  constructor(path: string, database = identityOf(path)) {
    this.database = database;
    const real = existsSync(path) ? realpathSync(path) : path;
    this.log = identityOf(`${real}-wal`);
    this.memory = identityOf(`${real}-shm`);
  }

  /**
   * What is appended to a file that nobody finds any more is recorded for nobody: whoever deletes or replaces the files
   * of a running process must not get steps that run on unseen.
   *
   * @param wholly which files they are beside the database, however lately that was looked at.
   * @throws StoreError `replaced_store`
   */
  assertSame(wholly = false): void {
    this.assertSameDatabase();
    const now = performance.now();
    if (!wholly && now - this.#seenAt < partsMs) {
      if (!existsSync(this.log.path)) this.#refuse(this.log);
      return;
    }
    for (const part of [this.log, this.memory]) if (!isSame(part)) this.#refuse(part);
    this.#seenAt = now;
  }

  #refuse(part: FileIdentity): never {
    throw replaced(part.path, this.database.path, "a file that belongs to the database");
  }

  /** Of a connection that is closed the database alone is left. */
  assertSameDatabase(): void {
    if (!isSame(this.database)) throw replaced(this.database.path, this.database.path, "the database");
  }

  /** The write-ahead log is gone, and nobody has written to another: what it holds can still be moved. */
  get hasLostLog(): boolean {
    const size = look(this.log.path)?.size ?? 0n;
    return size === 0n && !isSame(this.log) && isSame(this.database);
  }

  /**
   * Others may have committed to the same database by other files than these. Where the database itself is another one,
   * SQLite sees that, and leaves it alone.
   */
  get areOvertaken(): boolean {
    return isSame(this.database) && !(isSame(this.log) && isSame(this.memory)) && !this.hasLostLog;
  }
}

function isSame({ path, dev, ino }: FileIdentity): boolean {
  const now = look(path);
  return now !== undefined && now.dev === dev && now.ino === ino;
}

function replaced(path: string, database: string, what: string): StoreError {
  const how = look(path) === undefined ? "deleted, or cannot be reached," : "replaced by another file";
  const hint =
    path === database
      ? "put the file back, or start again with the database that is there now"
      : `put the file back, or end every process that uses \`${database}\` before one starts again`;
  return new StoreError("replaced_store", `${what} (\`${path}\`) was ${how} while it was open`, { hint });
}
