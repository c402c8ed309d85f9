import { frozenJson } from "../../model/copy-json.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import type { Span } from "./plain-spans.js";

/** Smaller parts are written anew as fast. */
export const sourceBytesMin = 16 * 1024;

/** The bytes that large parts of messages were read from. Nobody changes a message that was read. */
const sources = new WeakMap<JsonValue & object, Buffer>();

/**
 * Notes which parts of a message (`result`, `error`, `params`, and what lies in `params`) can be passed on in the bytes
 * in which they came: large ones that mean to any reader what was read of them here. So what is sent is what was judged.
 *
 * @param text that `message` was parsed from; it is kept, and must not change.
 * @param members where those of the message stand in the text.
 */
export function noteSources(message: JsonValue, text: Buffer, { members }: Span): void {
  if (!isJsonObject(message)) return;
  for (const [key, span] of members ?? []) {
    const part = message[key];
    note(part, span, text);
    if (key !== "params" || !isJsonObject(part)) continue;
    for (const [name, inner] of span.members ?? []) note(part[name], inner, text);
  }
}

function note(part: JsonValue | undefined, { start, end }: Span, text: Buffer): void {
  if (isJsonObject(part) && end - start >= sourceBytesMin)
    // Frozen through and through: the bytes stand for every value in it.
    sources.set(frozenJson(part), text.subarray(start, end));
}

/** A message as JSON text in pieces, some of them as they came; undefined when there are none of those. */
export function piecesOf(message: JsonObject): readonly (string | Buffer)[] | undefined {
  const { params } = message;
  const parts = isJsonObject(params)
    ? [...Object.values(message), ...Object.values(params)]
    : Object.values(message);
  if (!parts.some((part) => isJsonObject(part) && sources.has(part))) return undefined;
  const pieces: (string | Buffer)[] = [];
  printMembers(message, pieces);
  return pieces;
}

function printMembers(value: JsonObject, pieces: (string | Buffer)[]): void {
  let mark = "{";
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    pieces.push(`${mark}${JSON.stringify(key)}:`);
    mark = ",";
    const source = isJsonObject(member) ? sources.get(member) : undefined;
    if (source !== undefined) pieces.push(source);
    else if (key === "params" && isJsonObject(member)) printMembers(member, pieces);
    else pieces.push(JSON.stringify(member));
  }
  pieces.push(mark === "{" ? "{}" : "}");
}
