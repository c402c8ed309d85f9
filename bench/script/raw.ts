import { Worker } from "node:worker_threads";
import type { FromRaw, ToRaw } from "./raw-worker.js";

/** Scripts on a thread with nothing around them; one at a time. */
export class RawScripts {
  readonly #worker = new Worker(new URL("raw-worker.js", import.meta.url));
  #end: ((text: string) => void) | undefined;

  constructor() {
    this.#worker.on("message", (message: FromRaw) => {
      if (message.kind === "call") this.#send({ kind: "answer", text: '{"n":1}' });
      else this.#end?.(message.text);
    });
  }

  run(n: number, freshInstance: boolean): Promise<string> {
    return new Promise((resolve) => {
      this.#end = resolve;
      const code = `(async () => { end(JSON.stringify(${n} + JSON.parse(await call()).n)); })()`;
      this.#send({ kind: "run", code, freshInstance });
    });
  }

  close(): Promise<number> {
    return this.#worker.terminate();
  }

  #send(message: ToRaw): void {
    this.#worker.postMessage(message);
  }
}
