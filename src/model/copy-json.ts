import { InvalidDataError } from "./errors.js";
import type { JsonValue } from "./json.js";

/** How much is taken from outside; what is larger is refused, never cut. */
export interface CopyLimits {
  /** Nesting of arrays and objects; a cycle meets this limit. */
  readonly depth: number;
  /** Values in all, members and elements counted. */
  readonly values: number;
  /** UTF-16 units of all strings and keys together. */
  readonly characters: number;
}

export const defaultCopyLimits: CopyLimits = { depth: 64, values: 200_000, characters: 16 * 1024 * 1024 };

// Captured at import: code that patches these afterwards does not see or change what is copied.
const { getOwnPropertyDescriptor, getPrototypeOf, freeze, keys, prototype: objectPrototype } = Object;
const { ownKeys } = Reflect;
const { isArray } = Array;
const isFiniteNumber = Number.isFinite;

/**
 * Copies a value from outside into frozen, plain JSON data; every member is read exactly once.
 *
 * Getters are refused without being called, odd prototypes and symbols are refused, a proxy ends up as
 * the plain data it showed at its one reading (STYLE 2). Members that are `undefined` are left out, as in
 * JSON; -0 becomes 0; `Uint8Array` becomes `{"$bytes": base64}` (SEMANTICS G4). Keys are sorted, so that
 * equal values enumerate alike.
 *
 * @throws InvalidDataError naming the path of the first value that is not plain data.
 */
export function copyJson(value: unknown, limits: CopyLimits = defaultCopyLimits): JsonValue {
  try {
    return copyAt(value, "$", limits.depth, { values: limits.values, characters: limits.characters });
  } catch (error) {
    if (error instanceof InvalidDataError) throw error;
    // A proxy's trap threw, or the proxy was revoked: its error is not looked at, which could run more of it.
    throw new InvalidDataError("$", "the value cannot be read as plain data");
  }
}

interface Budget {
  values: number;
  characters: number;
}

function copyAt(value: unknown, path: string, depth: number, budget: Budget): JsonValue {
  if (--budget.values < 0) throw new InvalidDataError(path, "too many values in one document");
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (!isFiniteNumber(value))
      throw new InvalidDataError(path, `\`${value}\` at ${path} is not a JSON number`);
    return value === 0 ? 0 : value;
  }
  if (typeof value === "string") return checkText(value, path, budget);
  if (typeof value !== "object")
    throw new InvalidDataError(path, `a ${typeof value} at ${path} is not JSON data`);
  if (depth === 0)
    throw new InvalidDataError(path, `data is nested too deeply (or in a cycle) at ${path.slice(0, 80)}`);
  if (value instanceof Uint8Array) return copyBytes(value, path, budget);
  return isArray(value) ? copyArray(value, path, depth, budget) : copyObject(value, path, depth, budget);
}

function checkText(text: string, path: string, budget: Budget): string {
  budget.characters -= text.length;
  if (budget.characters < 0) throw new InvalidDataError(path, `text at ${path} makes the document too large`);
  if (!text.isWellFormed()) throw new InvalidDataError(path, `text at ${path} holds a lone surrogate`);
  return text;
}

function copyBytes(bytes: Uint8Array, path: string, budget: Budget): JsonValue {
  budget.characters -= Math.ceil(bytes.length / 3) * 4;
  if (budget.characters < 0) throw new InvalidDataError(path, `bytes at ${path} make the document too large`);
  return bytesToJson(bytes);
}

/** `{"$bytes": base64}` of some bytes (SEMANTICS G4); standard alphabet, padded. */
export function bytesToJson(bytes: Uint8Array): { readonly $bytes: string } {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return freeze({ $bytes: btoa(binary) });
}

function copyArray(source: readonly unknown[], path: string, depth: number, budget: Budget): JsonValue {
  const length = memberOf(source, "length", path);
  // Only a proxy can show another kind of length, one whose conversion to a number is code of its own.
  if (typeof length !== "number") throw new InvalidDataError(path, `value at ${path} is not a plain array`);
  // A sparse array of 2^32 holes is a small value with a huge length: the budget stops it first.
  if (length > budget.values) throw new InvalidDataError(path, `array at ${path} is too long`);
  const copy: JsonValue[] = [];
  for (let index = 0; index < length; index++) {
    const at = `${path}[${index}]`;
    copy.push(copyAt(memberOf(source, String(index), at), at, depth - 1, budget));
  }
  return freeze(copy);
}

function copyObject(source: object, path: string, depth: number, budget: Budget): JsonValue {
  const prototype: unknown = getPrototypeOf(source);
  // Plain objects of another realm have a prototype whose own prototype is null, too.
  if (prototype !== null && prototype !== objectPrototype && getPrototypeOf(prototype) !== null) {
    throw new InvalidDataError(path, `value at ${path} is not a plain object`);
  }
  const copy: { [key: string]: JsonValue } = {};
  for (const key of ownKeys(source).sort(compareKeys)) {
    if (typeof key === "symbol") throw new InvalidDataError(path, `value at ${path} has a symbol as a key`);
    const at = `${path}.${key}`;
    // `__proto__` as data is an attack on whoever merges it later; nothing legitimate needs it.
    if (key === "__proto__")
      throw new InvalidDataError(at, `the key \`__proto__\` at ${path} is not allowed`);
    checkText(key, at, budget);
    const member = memberOf(source, key, at);
    if (member !== undefined) copy[key] = copyAt(member, at, depth - 1, budget);
  }
  return freeze(copy);
}

/**
 * As `copyJson`, of data that `JSON.parse` made and nobody else holds: it is frozen where it is, and refused for what
 * `copyJson` would refuse it for.
 *
 * @throws InvalidDataError
 */
export function ownJson<T extends JsonValue>(value: T, depth = defaultCopyLimits.depth): T {
  if (typeof value === "string" && !value.isWellFormed())
    throw new InvalidDataError("$", "a text holds a lone surrogate");
  if (typeof value === "number" && !isFiniteNumber(value))
    throw new InvalidDataError("$", `\`${value}\` is not a JSON number`);
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) throw new InvalidDataError("$", "data is nested too deeply");
  const members = value as { readonly [key: string]: JsonValue };
  for (const key of keys(members)) {
    if (key === "__proto__" || !key.isWellFormed())
      throw new InvalidDataError("$", "the data has a key that is not allowed");
    ownJson(members[key] as JsonValue, depth - 1);
  }
  return freeze(value);
}

/**
 * Freezes data that `JSON.parse` made through and through; it is given back. For what is ours: nothing in it is looked
 * at, and nobody else may hold it.
 *
 * @throws InvalidDataError when it is nested deeper than anything that is recorded.
 */
export function frozenJson<T extends JsonValue>(value: T, depth = 128): T {
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) throw new InvalidDataError("$", "data is nested too deeply");
  const members = value as { readonly [key: string]: JsonValue };
  for (const key of keys(members)) frozenJson(members[key] as JsonValue, depth - 1);
  return freeze(value);
}

function memberOf(source: object, key: string, path: string): unknown {
  const descriptor = getOwnPropertyDescriptor(source, key);
  if (descriptor === undefined) return undefined;
  if (!("value" in descriptor)) throw new InvalidDataError(path, `value at ${path} is a getter, not data`);
  return descriptor.value;
}

function compareKeys(a: string | symbol, b: string | symbol): number {
  return typeof a === "symbol" || typeof b === "symbol" ? 0 : a < b ? -1 : a > b ? 1 : 0;
}
