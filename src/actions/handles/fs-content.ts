import { EffectFailedError, InvalidDataError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";

/** Content to be written: the bytes, and the same as it stands in the journal. */
export interface WrittenContent {
  readonly bytes: Buffer;
  readonly journalled: JsonValue;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Reads the hostile argument of `write` once. Text must be well-formed Unicode and bytes canonical base64:
 * otherwise what is written and what the journal says was written could differ.
 * @throws InvalidDataError `invalid_data`; EffectFailedError `too_large`, before anything is journalled, so
 *   that refused content cannot fill the journal.
 */
export function parseContent(value: unknown, bytesMax: number): WrittenContent {
  if (typeof value === "string") {
    if (value.length > bytesMax) throw tooLarge(bytesMax);
    if (LONE_SURROGATE.test(value)) throw invalid("text with a lone surrogate has no UTF-8 form");
    const bytes = Buffer.from(value, "utf8");
    if (bytes.length > bytesMax) throw tooLarge(bytesMax);
    return { bytes, journalled: value };
  }
  const encoded = ownBytes(value);
  // Four characters stand for three bytes: bounded before anything is decoded.
  if (encoded.length > Math.ceil(bytesMax / 3) * 4) throw tooLarge(bytesMax);
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded) throw invalid("`$bytes` is standard base64 with padding");
  if (bytes.length > bytesMax) throw tooLarge(bytesMax);
  return { bytes, journalled: Object.freeze({ $bytes: encoded }) };
}

/** The value of an own data property: a getter could answer differently the second time, so none is asked. */
function ownBytes(value: unknown): string {
  if (typeof value !== "object" || value === null) throw invalid("content is a string or `{$bytes}`");
  const found: unknown = Object.getOwnPropertyDescriptor(value, "$bytes")?.value;
  if (typeof found !== "string" || Reflect.ownKeys(value).length !== 1) {
    throw invalid("content is a string or `{$bytes}` with base64 text and nothing else");
  }
  return found;
}

function invalid(message: string): InvalidDataError {
  return new InvalidDataError("content", message);
}

function tooLarge(bytesMax: number): EffectFailedError {
  return new EffectFailedError("too_large", `content to be written has more than ${bytesMax} bytes`);
}
