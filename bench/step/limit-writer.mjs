// The simplest writer that commits for many: takes what waits, writes it in one transaction, answers all of it.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

const db = new Database(workerData.file);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec("CREATE TABLE log (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)");
const insert = db.prepare("INSERT INTO log (body) VALUES (?)");
const begin = db.prepare("BEGIN IMMEDIATE");
const commit = db.prepare("COMMIT");

parentPort.on("message", (first) => {
  const batch = [first];
  for (let more; (more = receiveMessageOnPort(parentPort)) !== undefined;) batch.push(more.message);
  begin.run();
  for (const [, rows] of batch) for (const row of rows) insert.run(row);
  commit.run();
  parentPort.postMessage(batch.map(([id]) => id));
});
