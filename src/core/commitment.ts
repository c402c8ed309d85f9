import { randomBytes } from "node:crypto";
import { canonicalJson } from "../model/canonical.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { sha256Hex } from "../model/sha256.js";
import type { Blob } from "./store.js";

/**
 * A salted commitment to a value (SEMANTICS R3): the log holds `ref`, the store holds salt and bytes. The
 * salt keeps a short value (a yes, a name) from being guessed from its digest.
 */
export function commitTo(value: JsonValue): Blob {
  const bytes = Buffer.from(canonicalJson(value), "utf8");
  const salt = randomBytes(16);
  return { ref: sha256Hex(Buffer.concat([salt, bytes])), salt, bytes };
}

/**
 * The value as it stands behind a commitment: what a replay gives an action. A step that gives out this form, and not
 * the value it was made from, cannot see an order of members that a replay does not show it.
 */
export function committedValue({ bytes }: Pick<Blob, "bytes">): JsonValue {
  return frozenJson(JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonValue);
}

/** Freezes a parsed value through and through; it is given back. */
export function frozenJson(value: JsonValue): JsonValue {
  if (typeof value === "object" && value !== null) {
    Object.values(value as JsonObject).forEach(frozenJson);
    Object.freeze(value);
  }
  return value;
}

/** Unsalted digest of a value, for comparing results; given to the caller, never logged. */
export function digestOf(value: JsonValue): string {
  return `sha256:${sha256Hex(canonicalJson(value))}`;
}
