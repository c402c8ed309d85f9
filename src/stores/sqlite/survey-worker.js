// @ts-check
import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { surveyTree } from "./tree-survey.js";
import { integrityFaults, surveyBlobs } from "./file-survey.js";

/** @import { FromSurvey, Survey, ToSurvey } from "./survey-protocol.js" */

/**
 * The thread that reads a whole file beside the one that goes through the events. Plain JavaScript, so that this same
 * file is what Node loads from a build and from the sources.
 */
const port = parentPort;
const path = /** @type {unknown} */ (workerData);
if (port === null || typeof path !== "string") throw new Error("this file is the entry of a worker thread");

const db = new Database(path, { readonly: true, timeout: 2_000 });
db.pragma("trusted_schema = OFF");

/** @param {FromSurvey} message */
const send = (message) => port.postMessage(message);

/** @template T @param {() => T} look @returns {Survey<T>} */
function surveyed(look) {
  try {
    return { found: look() };
  } catch (error) {
    const code = error instanceof Database.SqliteError ? error.code : undefined;
    return { failed: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

port.on("message", (/** @type {ToSurvey} */ message) => {
  if (message.kind === "begin") {
    if (db.inTransaction) db.exec("ROLLBACK");
    db.exec("BEGIN");
    // A transaction sees the moment of its first look, not that of its beginning.
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    send({ kind: "begun" });
    return;
  }
  if (message.kind === "tree") {
    send({ kind: "tree", survey: surveyed(() => surveyTree(db, message.sizes)) });
    return;
  }
  send({ kind: "blobs", survey: surveyed(() => surveyBlobs(db)) });
  send({ kind: "integrity", survey: surveyed(() => integrityFaults(db)) });
});
send({ kind: "ready" });
