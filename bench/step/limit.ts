import { join } from "node:path";
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";

/*
 * What the disk and SQLite allow: three rows a step of the size that an event has, two durability waits, an action
 * that does nothing, and nothing else. No decision, no hash, no index.
 */

/** Takes one step; resolves when its third row is durable. */
export interface StepSource {
  step(): Promise<void>;
  close(): Promise<void>;
}

/** As long as a row of the baselines: 414 bytes. */
function row(n: number): string {
  return JSON.stringify({
    seq: n,
    agent: "agent-42",
    cap: "fs:read:/workspace/src/module/file.ts",
    decision: "allow",
    binding: "b-000123",
    ts: 1_763_836_800_000 + n,
    digest: "a".repeat(64),
    pad: "x".repeat(190),
  });
}

/** Commits on the calling thread: the fastest there is for one caller. */
export function limitOnThread(folder: string, name: string): StepSource {
  const db = new Database(join(folder, `${name}.db`));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("CREATE TABLE log (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const insert = db.prepare("INSERT INTO log (body) VALUES (?)");
  const two = db.transaction((a: string, b: string) => {
    insert.run(a);
    insert.run(b);
  });
  let n = 0;
  return {
    step: async () => {
      const at = (n += 3);
      two(row(at), row(at + 1));
      await noAction();
      insert.run(row(at + 2));
    },
    close: async () => void db.close(),
  };
}

/** Commits on a thread that takes all that waits into one transaction: the fastest there is for many callers. */
export function limitOnWorker(folder: string, name: string): StepSource {
  const worker = new Worker(new URL("limit-writer.mjs", import.meta.url), {
    workerData: { file: join(folder, `${name}.db`) },
  });
  const waiting = new Map<number, () => void>();
  let id = 0;
  let n = 0;
  worker.on("message", (ids: number[]) => {
    for (const each of ids) {
      waiting.get(each)?.();
      waiting.delete(each);
    }
  });
  const append = (rows: string[]): Promise<void> =>
    new Promise((resolve) => {
      waiting.set(++id, resolve);
      worker.postMessage([id, rows]);
    });
  return {
    step: async () => {
      const at = (n += 3);
      await append([row(at), row(at + 1)]);
      await noAction();
      await append([row(at + 2)]);
    },
    close: async () => void (await worker.terminate()),
  };
}

async function noAction(): Promise<void> {
  // Nothing is done: what is measured is the record of it.
}
