import type Database from "better-sqlite3";
import { StoreError } from "../../model/errors.js";
import { identityOf, type FileIdentity } from "./file-identity.js";

/*
 * Connections whose write-ahead log or shared memory is another file by now, with which others may have committed. SQLite
 * must not close them: the last connection of all brings its own pages into the database, over what others committed,
 * and removes the file that has the name of its write-ahead log. So they stay open until the process is gone.
 */

const kept = new Map<string, Database.Database>();

/** @param file the database. */
export function abandon(db: Database.Database, file: FileIdentity): void {
  // A process that comes to its end by itself closes them; one that leaves at once does not.
  if (kept.size === 0) process.once("exit", (code) => process.exit(code));
  kept.set(keyOf(file), db);
}

/**
 * Within a process SQLite takes the shared memory of one connection for the next, whatever the file of that name is.
 * @throws StoreError `replaced_store`
 */
export function assertNotAbandoned(path: string): void {
  if (kept.size === 0 || !kept.has(keyOf(identityOf(path)))) return;
  throw new StoreError(
    "replaced_store",
    `files of the database \`${path}\` were replaced while it was open`,
    {
      hint: "start a new process: this one cannot use it any more",
    },
  );
}

function keyOf({ dev, ino }: FileIdentity): string {
  return `${String(dev)} ${String(ino)}`;
}
