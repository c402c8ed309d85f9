// @ts-check
import { statSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { phase, restPages } from "./wal-phase.js";

/** @import { MoverData, Moved } from "./wal-phase.js" */

/**
 * The thread that moves the write-ahead log into the database. Plain JavaScript, so that this same file is what Node
 * loads from a build and from the sources.
 */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const data = /** @type {unknown} */ (workerData);
const { files, shared } = /** @type {MoverData} */ (data);
const at = new Int32Array(shared);

/** Twice at most: what was appended while the first one went on is little. */
function move() {
  // Of this moment only: the last connection of all that closes is to be the one of the process that closes.
  const db = new Database(files[0].path, { timeout: 0, fileMustExist: true });
  try {
    for (const { path, dev, ino } of files) {
      const found = statSync(path, { bigint: true });
      if (found.dev !== dev || found.ino !== ino) throw new Error(`\`${path}\` is another file by now`);
    }
    for (let turn = 0; turn < 2 && waiting(db) > restPages; turn++) db.pragma("wal_checkpoint(PASSIVE)");
  } finally {
    db.close();
  }
}

/** @param {Database.Database} db pages in the write-ahead log that the database does not have. */
function waiting(db) {
  const [state] = /** @type {{ log: number, checkpointed: number }[]} */ (db.pragma("wal_checkpoint(NOOP)"));
  return state === undefined ? 0 : state.log - state.checkpointed;
}

port.on("message", () => {
  if (Atomics.compareExchange(at, 0, phase.asked, phase.working) !== phase.asked) return;
  /** @type {Moved} */
  let moved = {};
  try {
    move();
  } catch (error) {
    moved = { failed: error instanceof Error ? error.message : String(error) };
  }
  Atomics.store(at, 0, phase.idle);
  Atomics.notify(at, 0);
  port.postMessage(moved);
});
