import { Worker } from "node:worker_threads";
import type { FromWorker, ScriptEnd, ScriptJob, ToWorker } from "./protocol.js";

/** Answers one call of one script; does nothing once that script is over. */
export type Answer = (ok: boolean, text: string) => void;

/** A script uses a handle: `method` as in `fs.read`, `args` JSON text of an array. */
export type OnCall = (method: string, args: string, answer: Answer) => void;

interface Current {
  readonly id: number;
  readonly onCall: OnCall;
  readonly resolve: (end: ScriptEnd) => void;
}

/** The entry is plain JavaScript, so that it stands beside this file in a build and in the sources alike. */
export const workerEntry = new URL("./worker.js", import.meta.url);

/**
 * One thread for scripts. It inherits nothing: no environment, no arguments, no terminal. While it is idle it
 * does not keep the process alive.
 */
export class SandboxWorker {
  readonly #worker: Worker;
  #current: Current | undefined;
  #dead = false;
  #scripts = 0;

  constructor(entry: URL = workerEntry) {
    this.#worker = new Worker(entry, {
      env: {},
      argv: [],
      execArgv: [],
      stdin: false,
      // Taken and not read, instead of being let through to the terminal.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    });
    this.#worker.unref();
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    // Without a listener an error of the thread would be an error of the process.
    this.#worker.on("error", (error) => this.#die(error.message));
    this.#worker.on("exit", () => this.#die("its thread ended"));
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Scripts that it has run. */
  get scripts(): number {
    return this.#scripts;
  }

  /** Runs a script; one at a time. Never rejects: a thread that dies is an end of kind `engine`. */
  run(job: ScriptJob, onCall: OnCall): Promise<ScriptEnd> {
    if (this.#current !== undefined) throw new TypeError("a sandbox worker runs one script at a time");
    const id = ++this.#scripts;
    return new Promise((resolve) => {
      this.#current = { id, onCall, resolve };
      this.#worker.ref();
      this.#send({ kind: "run", id, job });
    });
  }

  /** Ends the thread whatever it does; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#die("it was ended");
    await this.#worker.terminate();
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    const current = this.#current;
    if (current === undefined || message.id !== current.id) return;
    if (message.kind === "end") return this.#finish(message.end);
    const { id, call, method, args } = message;
    current.onCall(method, args, (ok, text) => {
      // The next script has calls of the same numbers, and must not get what belongs to this one: asked here,
      // and again by the worker, which knows whose calls it runs.
      if (this.#current?.id === id) this.#send({ kind: "answer", id, call, ok, text });
    });
  }

  #die(why: string): void {
    this.#dead = true;
    this.#finish({ kind: "engine", text: why });
  }

  #finish(end: ScriptEnd): void {
    const current = this.#current;
    this.#current = undefined;
    this.#worker.unref();
    current?.resolve(end);
  }
}
