import { SynapseError } from "../model/errors.js";
import type { OutputStream } from "./io.js";

/**
 * Writes lines to one stream. A reader that went away (`synapse audit list | head`) is no error: what comes
 * after is dropped, `closed` says so, and a run goes on to its recorded end.
 */
export class Output {
  readonly stream: OutputStream;
  #closed = false;
  #failure: SynapseError | undefined;

  constructor(stream: OutputStream) {
    this.stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      const readerIsGone = error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";
      if (readerIsGone) return;
      const what = `the output could not be written: ${error.message}`;
      this.#failure ??= new SynapseError("output_failed", what, { cause: error });
    });
  }

  /** Nobody reads any more, so there is no need to go on only for the output's sake. */
  get closed(): boolean {
    return this.#closed;
  }

  line(text = ""): void {
    this.write(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    if (texts.length > 0) this.write(`${texts.join("\n")}\n`);
  }

  write(text: string): void {
    if (!this.#closed) this.stream.write(text);
  }

  /**
   * Waits until what was written has been taken, so that a slow reader bounds the memory that is used.
   *
   * @throws SynapseError `output_failed`, other than because its reader went away.
   */
  async flush(): Promise<void> {
    if (!this.#closed) await new Promise<void>((resolve) => this.stream.write("", () => resolve()));
    // Errors of a stream are told a turn later than the write that caused them.
    await new Promise((resolve) => setImmediate(resolve));
    const failure = this.#failure;
    // Told once: whoever waits next has nothing new to hear.
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
