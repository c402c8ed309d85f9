import { canonicalJson } from "../canonical.js";
import { EvidenceError } from "../errors.js";
import { eventBytesMax } from "../event.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

/** Deepest nesting of an entry. What the writer takes in nests less; more would exhaust the stack of a reader. */
const entryDepthMax = 128;

/** The bytes of an event as they are hashed and logged: RFC 8785, UTF-8. */
export function entryBytes(event: JsonObject): Uint8Array {
  return encodeUtf8(canonicalJson(event));
}

/**
 * The same of something that may be no event at all.
 * @throws EvidenceError `malformed_entry`.
 */
export function claimedEntryBytes(event: JsonObject): Uint8Array {
  assertNests(event);
  return encodeUtf8(canonicalText(event));
}

/**
 * Reads an entry of the log. Only the one canonical spelling is taken: the bytes must be exactly what RFC 8785
 * makes of the value they stand for. So duplicate keys, lone surrogates, invalid UTF-8, a byte order mark,
 * white space, and numbers that a double cannot hold are refused, and no two readers can understand an entry
 * differently.
 *
 * @throws EvidenceError `malformed_entry`.
 */
export function parseEntry(bytes: Uint8Array): JsonObject {
  assertSize(bytes.length);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw malformed("it is not valid UTF-8");
  return parsed(text);
}

/**
 * The same of text that was decoded without anything being replaced in it.
 * @throws EvidenceError `malformed_entry`.
 */
export function parseEntryText(text: string): JsonObject {
  // No UTF-16 code unit takes more than three bytes of UTF-8.
  if (text.length * 3 > eventBytesMax) assertSize(encodeUtf8(text).length);
  return parsed(text);
}

function assertSize(bytes: number): void {
  if (bytes > eventBytesMax) throw malformed(`it has more than ${eventBytesMax} bytes`);
}

function parsed(text: string): JsonObject {
  const value = parseJson(text);
  assertNests(value);
  if (!isCanonical(value, text)) throw malformed("it is not in canonical form");
  if (!isJsonObject(value)) throw malformed("it is not an object");
  return value;
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw malformed("it is not JSON", cause);
  }
}

/**
 * What ECMAScript prints is RFC 8785 but for the order of members, and lone surrogates, which have no canonical
 * form. Both are seen at a glance in nearly every entry, and the printer is several times as fast.
 */
function isCanonical(value: JsonValue, text: string): boolean {
  if (!text.includes("\\ud") && isOrdered(value)) return JSON.stringify(value) === text;
  return canonicalText(value) === text;
}

/** Whether its members, and those of all that is in it, are enumerated by UTF-16 code units, as RFC 8785 sorts them. */
function isOrdered(value: JsonValue): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isOrdered);
  let before: string | undefined;
  for (const [name, member] of Object.entries(value as JsonObject)) {
    if ((before !== undefined && before >= name) || !isOrdered(member)) return false;
    before = name;
  }
  return true;
}

/** Lone surrogates, and numbers too large for a double, have no canonical form. */
function canonicalText(value: JsonValue): string {
  try {
    return canonicalJson(value);
  } catch (cause) {
    throw malformed("it has no canonical form", cause);
  }
}

function assertNests(value: JsonValue): void {
  if (!nestsWithin(value, entryDepthMax)) throw malformed(`it is nested deeper than ${entryDepthMax}`);
}

/** Whether arrays and objects nest no deeper; looks no deeper itself. */
export function nestsWithin(value: JsonValue, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value as JsonObject).every((member) => nestsWithin(member, depth - 1));
}

function malformed(why: string, cause?: unknown): EvidenceError {
  return new EvidenceError("malformed_entry", `this is not an entry of a log: ${why}`, { cause });
}
