import { statSync } from "node:fs";
import { StoreError } from "../../model/errors.js";

/** Which file a connection is to: a path alone may be another file by now. */
export interface FileIdentity {
  readonly path: string;
  /** Undefined when there was no such file: then none is the same. */
  readonly dev: bigint | undefined;
  readonly ino: bigint | undefined;
}

const asked = Object.freeze({ bigint: true, throwIfNoEntry: false });

function identityOf(path: string): FileIdentity {
  const found = statSync(path, asked);
  return { path, dev: found?.dev, ino: found?.ino };
}

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

  /**
   * @param path absolute.
   * @param database which file it is, when that was known before.
   */
  constructor(path: string, database = identityOf(path)) {
    this.database = database;
    this.log = identityOf(`${path}-wal`);
    this.memory = identityOf(`${path}-shm`);
  }

  /**
   * What is appended to a file that nobody finds any more is recorded for nobody: whoever deletes or replaces the files
   * of a running process must not get steps that run on unseen.
   *
   * @throws StoreError `replaced_store`
   */
  assertSame(): void {
    if (!isSame(this.database)) throw replaced(this.database.path, this.database.path, "the database");
    for (const part of [this.log, this.memory])
      if (!isSame(part)) throw replaced(part.path, this.database.path, "a file that belongs to the database");
  }

  /** The write-ahead log is gone, and nobody has written to another: what it holds can still be moved. */
  get hasLostLog(): boolean {
    const size = statSync(this.log.path, asked)?.size ?? 0n;
    return size === 0n && !isSame(this.log) && isSame(this.database);
  }

  /** Somebody may have written to the same database through another write-ahead log. */
  get areOvertaken(): boolean {
    return isSame(this.database) && isSame(this.memory) && !isSame(this.log);
  }
}

function isSame({ path, dev, ino }: FileIdentity): boolean {
  const now = statSync(path, asked);
  return now !== undefined && now.dev === dev && now.ino === ino;
}

function replaced(path: string, database: string, what: string): StoreError {
  const how = statSync(path, asked) === undefined ? "deleted" : "replaced by another file";
  const hint =
    path === database
      ? "put the file back, or start again with the database that is there now"
      : `put the file back, or end every process that uses \`${database}\` before one starts again`;
  return new StoreError("replaced_store", `${what} (\`${path}\`) was ${how} while it was open`, { hint });
}
