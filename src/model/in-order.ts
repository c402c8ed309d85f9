import type { JsonObject, JsonValue } from "./json.js";

// Captured at import: code that patches these afterwards does not see or change what is copied.
const { defineProperty, freeze, keys: keysOf } = Object;
const { isArray } = Array;

/**
 * A frozen copy of a value as it would be read from its canonical form: members in order, without those that are
 * `undefined`, elements that are missing as null, -0 as 0. What has no canonical form is copied as it is.
 */
export function inOrder(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value === 0 ? 0 : value;
  if (isArray(value)) {
    const copy: JsonValue[] = [];
    for (let at = 0; at < value.length; at++) copy.push(inOrder((value as readonly JsonValue[])[at] ?? null));
    return freeze(copy);
  }
  const copy: JsonObject = {};
  for (const key of keysOf(value).sort()) {
    const member = (value as JsonObject)[key];
    if (member === undefined) continue;
    // Defined, not assigned: a setter on Object.prototype takes no part, and `__proto__` is a member like any other.
    defineProperty(copy, key, {
      value: inOrder(member),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return freeze(copy);
}
