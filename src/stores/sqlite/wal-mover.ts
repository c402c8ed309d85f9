import { Worker } from "node:worker_threads";
import type { StoreFiles } from "./file-identity.js";
import { type Moved, type MoverData, phase } from "./wal-phase.js";

/**
 * Moves the write-ahead log into the database (what SQLite calls a checkpoint) on a thread of its own, which has a
 * connection only while it works. Nothing that was committed depends on it: a page stays in the write-ahead log until
 * it is durable in the database. Where that thread cannot work, the calling thread does it all.
 */
export class WalMover {
  readonly #files: StoreFiles;
  /** Called when little is left, for the calling thread to move: a log that is still written to never ends. */
  readonly #finish: () => void;
  readonly #at = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;
  #stopped = false;

  constructor(files: StoreFiles, finish: () => void) {
    this.#files = files;
    this.#finish = finish;
  }

  get working(): boolean {
    return Atomics.load(this.#at, 0) === phase.working;
  }

  /** Begins, unless it is at work already. */
  start(): void {
    if (this.#stopped) return this.#finish();
    if (Atomics.compareExchange(this.#at, 0, phase.idle, phase.asked) !== phase.idle) return;
    try {
      this.#worker ??= this.#launch();
      this.#worker.postMessage(null);
    } catch {
      // No thread is to be had, of the system or of Node's permission model.
      this.#giveUp();
    }
  }

  /**
   * Nothing begins any more. When it returns, no connection but the caller's is open.
   *
   * @param patienceMs how long it waits for what goes on: on a disk that is slower, the other connection is closed later.
   */
  stop(patienceMs: number): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // What was asked for and not begun does not begin: the phase is not `asked` any more.
    if (Atomics.compareExchange(this.#at, 0, phase.asked, phase.idle) === phase.working)
      Atomics.wait(this.#at, 0, phase.working, patienceMs);
    void this.#worker?.terminate();
  }

  #launch(): Worker {
    const { database, log, memory } = this.#files;
    const workerData: MoverData = { files: [database, log, memory], shared: this.#at.buffer };
    const worker = new Worker(new URL("./wal-mover-worker.js", import.meta.url), {
      workerData,
      env: {},
      argv: [],
      execArgv: [],
    });
    worker.on("message", ({ failed }: Moved) => {
      if (failed !== undefined) this.#giveUp();
      else if (!this.#stopped) this.#finish();
    });
    worker.on("error", () => this.#giveUp());
    worker.on("exit", () => this.#giveUp());
    worker.unref();
    return worker;
  }

  /** The calling thread meets the same failure, if it is one of the file, where somebody is told. */
  #giveUp(): void {
    if (this.#stopped) return;
    Atomics.store(this.#at, 0, phase.idle);
    this.stop(0);
    this.#finish();
  }
}
