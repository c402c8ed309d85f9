import type { Writable } from "node:stream";
import type { JsonObject } from "../../model/json.js";
import { piecesOf } from "./sources.js";

/**
 * Writes JSON messages, one a line. A peer that went away is no error: `onGone` is told once, and what is written
 * afterwards is dropped. There is one `drain` listener, however many messages wait. Messages that come together, as
 * those do that waited for one commit, go out together: each write of its own is a call of the system, and wakes the
 * peer.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #onGone: () => void;
  #gone = false;
  #gathering = false;

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
    if (!this.#gathering) {
      this.#gathering = true;
      this.#stream.cork();
      // Behind everything that what just happened leads to.
      process.nextTick(() => this.#release());
    }
    // `JSON.stringify` writes no newline of its own, and what is passed on as it came has none: a message is one line.
    const pieces = piecesOf(message);
    if (pieces === undefined) return this.#stream.write(`${JSON.stringify(message)}\n`);
    for (const piece of pieces) this.#stream.write(piece);
    return this.#stream.write("\n");
  }

  /** Ends the stream behind what was written. */
  end(): void {
    if (!this.#gone) this.#stream.end();
  }

  #release(): void {
    this.#gathering = false;
    this.#stream.uncork();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#onGone();
  }
}
