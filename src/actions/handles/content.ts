import type { Content, JsonBytes } from "../../core/ports.js";
import { InvalidDataError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";

// `ignoreBOM` keeps a byte order mark: what is read and written back must be the same bytes.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text when the bytes are valid UTF-8 (a BOM kept), else `{$bytes}` (SEMANTICS G4). */
export function textOrBytes(bytes: Uint8Array): string | JsonBytes {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return Object.freeze({
      $bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64"),
    });
  }
}

/** The same as `{text}` or `{bytes}`. */
export function toContent(bytes: Uint8Array): Content {
  const content = textOrBytes(bytes);
  return typeof content === "string" ? { text: content } : { bytes: content };
}

/**
 * Text, or `{$bytes}` with canonical base64 and nothing beside it, out of data that was copied already.
 * @throws InvalidDataError naming `path`.
 */
export function readContent(value: JsonValue | undefined, path: string): string | JsonBytes {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { $bytes, ...rest } = value as { readonly [key: string]: JsonValue };
    // Two spellings of the same bytes would be two different requests in the journal.
    if (
      typeof $bytes === "string" &&
      Object.keys(rest).length === 0 &&
      Buffer.from($bytes, "base64").toString("base64") === $bytes
    ) {
      return Object.freeze({ $bytes });
    }
  }
  throw new InvalidDataError(path, `\`${path}\` is neither text nor {"$bytes": base64}`);
}

/** The bytes of a content: UTF-8 of text. */
export function contentBytes(content: string | JsonBytes): Buffer {
  return typeof content === "string" ? Buffer.from(content, "utf8") : Buffer.from(content.$bytes, "base64");
}
