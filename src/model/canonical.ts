import canonicalize from "canonicalize";
import type { JsonValue } from "./json.js";

/** RFC 8785 text of a JSON value: the one form that is hashed, logged and compared. */
export function canonicalJson(value: JsonValue): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("only JSON values have a canonical form");
  return text;
}
