import type { Writable } from "node:stream";
import type { JsonObject } from "../../model/json.js";

/**
 * Writes JSON messages, one a line. A peer that went away is no error: `onGone` is told once, and what is written
 * afterwards is dropped. There is one `drain` listener, however many messages wait.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #onGone: () => void;
  #gone = false;

  /** @param onDrain told when a peer that was slow has taken everything. */
  constructor(stream: Writable, { onDrain, onGone }: { onDrain: () => void; onGone: () => void }) {
    this.#stream = stream;
    this.#onGone = onGone;
    stream.on("drain", onDrain);
    stream.on("error", () => this.#leave());
    stream.on("close", () => this.#leave());
  }

  /** @returns false when the peer is slow: whoever makes messages waits for `onDrain` before it makes more. */
  write(message: JsonObject): boolean {
    if (this.#gone) return true;
    // `JSON.stringify` writes no newline of its own, so a message is one line whatever stands in it.
    return this.#stream.write(`${JSON.stringify(message)}\n`);
  }

  /** Ends the stream behind what was written. */
  end(): void {
    if (!this.#gone) this.#stream.end();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#onGone();
  }
}
