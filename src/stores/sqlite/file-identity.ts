import { statSync } from "node:fs";
import { StoreError } from "../../model/errors.js";

/** Which file a connection is to: a path alone may be another file by now. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

const asked = Object.freeze({ bigint: true, throwIfNoEntry: false });

/** Undefined for a database in memory, and when there is no such file. */
export function identityOf(location: string): FileIdentity | undefined {
  if (location === ":memory:") return undefined;
  const found = statSync(location, asked);
  return found === undefined ? undefined : { dev: found.dev, ino: found.ino };
}

/**
 * What is appended to a file that nobody finds any more is recorded for nobody: whoever deletes or replaces the
 * database of a running process must not get steps that run on unseen.
 *
 * @throws StoreError `replaced_store`
 */
export function assertSameFile(location: string, opened: FileIdentity | undefined): void {
  if (location === ":memory:") return;
  const now = identityOf(location);
  if (now !== undefined && now.dev === opened?.dev && now.ino === opened.ino) return;
  const what = now === undefined ? "deleted" : "replaced by another file";
  throw new StoreError("replaced_store", `the database \`${location}\` was ${what} while it was open`, {
    hint: "put the file back, or start again with the database that is there now",
  });
}
