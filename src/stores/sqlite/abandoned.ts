import { inspect } from "node:util";
import type Database from "better-sqlite3";
import { StoreError } from "../../model/errors.js";
import { identityOf, type StoreFiles } from "./file-identity.js";

/*
 * Connections of this process, of which some may have another write-ahead log or shared memory than others by now.
 *
 * SQLite must not close those: the last connection of all brings its own pages into the database, over what others
 * committed, and removes the file that has the name of its write-ahead log. So they stay open until the process is gone.
 * Nor must it open another one beside them: within a process it takes the shared memory of one connection for the next,
 * whatever the file of that name is.
 */

const open = new Set<StoreFiles>();
const kept: Database.Database[] = [];

export function hold(files: StoreFiles): void {
  open.add(files);
}

/** The connection is closed. */
export function release(files: StoreFiles): void {
  open.delete(files);
}

/** Instead of closing it; `files` are held on to. */
export function abandon(db: Database.Database): void {
  if (kept.length === 0) leaveAtOnceAtTheEnd();
  kept.push(db);
}

/** @throws StoreError `replaced_store` */
export function assertNotOvertaken(path: string): void {
  if (open.size === 0) return;
  const { dev, ino } = identityOf(path);
  for (const files of open) {
    const { database } = files;
    if (database.dev !== dev || database.ino !== ino || !(files.areOvertaken || files.hasLostLog)) continue;
    throw new StoreError(
      "replaced_store",
      `files of the database \`${path}\` were replaced while it was open`,
      {
        hint: "start a new process: this one cannot use it any more",
      },
    );
  }
}

/** A process that comes to its end by itself closes what is open; one that leaves at once does not. */
function leaveAtOnceAtTheEnd(): void {
  let uncaught: { readonly error: unknown } | undefined;
  process.on("uncaughtExceptionMonitor", (error) => {
    // Node would print it behind this.
    if (process.listenerCount("uncaughtException") === 0) uncaught = { error };
  });
  process.once("exit", (code) => {
    if (uncaught !== undefined) process.stderr.write(`Uncaught ${inspect(uncaught.error)}\n`);
    process.exit(process.exitCode ?? code);
  });
}
