import { isUtf8 } from "node:buffer";
import type { JsonValue } from "../../model/json.js";
import { isNestedDeeper } from "./nesting.js";
import { plainSpans, type Span } from "./plain-spans.js";
import { noteSources, sourceBytesMin } from "./sources.js";

/** How much of one message is taken. */
export interface MessageLimits {
  /** Bytes of one message. */
  readonly bytesMax: number;
  /** Nesting of arrays and objects in one message. */
  readonly depthMax: number;
}

/** `depthMax` is that of what a step may have as parameters and as an answer (model/copy-json.ts). */
export const defaultMessageLimits: MessageLimits = Object.freeze({
  bytesMax: 16 * 1024 * 1024,
  depthMax: 64,
});

export type Line =
  | { readonly kind: "value"; readonly value: JsonValue }
  /** A line that is no JSON, or more than is taken; the next line is read as usual. */
  | { readonly kind: "unreadable"; readonly why: string };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * JSON messages, one a line (MCP, stdio transport). Parts of a line are kept apart until the line is whole, so that a
 * long one costs no more than its length, however it arrives.
 */
export class LineReader {
  readonly #limits: MessageLimits;
  readonly #onLine: (line: Line) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(limits: MessageLimits, onLine: (line: Line) => void) {
    this.#limits = limits;
    this.#onLine = onLine;
  }

  /** @returns false when a line is larger than is taken: nothing after it can be trusted to be a message. */
  push(chunk: Buffer): boolean {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const part = chunk.subarray(start, end === -1 ? undefined : end);
      this.#bytes += part.length;
      if (this.#bytes > this.#limits.bytesMax) {
        this.#parts = [];
        return false;
      }
      if (part.length > 0) this.#parts.push(part);
      if (end === -1) return true;
      this.#take();
      start = end + 1;
    }
  }

  #take(): void {
    const whole = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    const text = whole[whole.length - 1] === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    if (text.length > 0) this.#onLine(readJson(text, this.#limits, noteSources));
  }
}

/**
 * One message as it arrived.
 *
 * @param note told where the parts of a large one stand, if that can be said.
 */
export function readJson(
  text: Buffer,
  { depthMax }: MessageLimits,
  note?: (value: JsonValue, text: Buffer, span: Span) => void,
): Line {
  if (!isUtf8(text)) return { kind: "unreadable", why: "it is not UTF-8" };
  const isNoted = note !== undefined && text.length >= sourceBytesMin;
  const span = isNoted ? plainSpans(text, depthMax) : undefined;
  if (span === undefined && isNestedDeeper(text, depthMax))
    return { kind: "unreadable", why: `it is nested more than ${depthMax} levels deep` };
  try {
    const value = JSON.parse(text.toString("utf8")) as JsonValue;
    if (span !== undefined) note?.(value, text, span);
    return { kind: "value", value };
  } catch {
    // What the parser says quotes the text, which may hold anything.
    return { kind: "unreadable", why: "it is not JSON" };
  }
}
