import type { JsonValue } from "../json.js";
import { CelFailure, type Budget } from "./budget.js";

/**
 * Values of expressions. `bigint` is CEL's int (64 bits), `number` its double. Lists and maps that came in
 * as JSON stay as they are (`CelData`) and their numbers become ints or doubles only when they are read, so
 * that evaluation costs what it touches, not what is there.
 */
export type CelValue =
  null | boolean | bigint | number | string | CelList | CelMap | CelData | CelTimestamp | CelDuration;

/** A list that the expression made. */
export class CelList {
  constructor(readonly items: readonly CelValue[]) {}
}

/** A map that the expression made; keys are strings, since results are JSON. */
export class CelMap {
  constructor(readonly entries: ReadonlyMap<string, CelValue>) {}
}

/** An array or object of the context, never copied. */
export class CelData {
  constructor(readonly json: readonly JsonValue[] | { readonly [key: string]: JsonValue }) {}
}

/** Whole milliseconds since the Unix epoch, within the years 0000 to 9999. */
export class CelTimestamp {
  constructor(readonly ms: number) {
    if (!(ms >= -62_167_219_200_000 && ms <= 253_402_300_799_999)) {
      throw new CelFailure("the timestamp is outside the years 0000 to 9999");
    }
  }
}

/** Whole milliseconds; may be negative, as the difference of two timestamps. */
export class CelDuration {
  constructor(readonly ms: number) {
    if (!Number.isSafeInteger(ms)) throw new CelFailure("the duration is too long");
  }
}

/** JSON does not tell 1 from 1.0: whole safe numbers become ints, all others doubles. */
export function fromJson(json: JsonValue): CelValue {
  if (typeof json === "number") return Number.isSafeInteger(json) ? BigInt(json) : json;
  if (typeof json === "object" && json !== null) return new CelData(json);
  return json;
}

/**
 * A result as JSON. Ints outside ±(2^53 - 1), NaN and the infinities have no exact JSON form and are errors;
 * so are timestamps and durations, which `string()` turns into text. Every value copied is charged: lists
 * that share elements can stand for far more text than the memory they take.
 */
export function toJson(value: CelValue, budget: Budget): JsonValue {
  if (value instanceof CelData) return value.json;
  return toJsonCharged(value, budget);
}

function toJsonCharged(value: CelValue, budget: Budget): JsonValue {
  if (value instanceof CelData) {
    chargeDeep(value.json, budget);
    return value.json;
  }
  if (typeof value === "string") budget.chargeText(value.length);
  else budget.charge(1);
  if (typeof value === "bigint") {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new CelFailure(`the result \`${value}\` is too large for a JSON number`);
  }
  if (typeof value === "number") {
    if (Number.isFinite(value)) return value === 0 ? 0 : value;
    throw new CelFailure(`the result \`${value}\` is not a JSON number`);
  }
  if (value instanceof CelList) return Object.freeze(value.items.map((item) => toJsonCharged(item, budget)));
  if (value instanceof CelMap) {
    // fromEntries defines own properties: a key named `__proto__` stays data.
    return Object.freeze(
      Object.fromEntries(
        [...value.entries].map(([key, item]) => [key, toJsonCharged(item, budget)] as const),
      ),
    );
  }
  if (value instanceof CelTimestamp || value instanceof CelDuration) {
    throw new CelFailure(`the result is a ${typeName(value)}, which JSON does not have: use string(…)`);
  }
  return value;
}

function chargeDeep(json: JsonValue, budget: Budget): void {
  if (typeof json === "string") return budget.chargeText(json.length);
  budget.charge(1);
  if (typeof json === "object" && json !== null)
    Object.values(json).forEach((item) => chargeDeep(item, budget));
}

export function typeName(value: CelValue): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "double";
  if (typeof value === "string") return "string";
  if (value instanceof CelTimestamp) return "timestamp";
  if (value instanceof CelDuration) return "duration";
  return isList(value) ? "list" : "map";
}

export function isList(value: CelValue): value is CelList | CelData {
  return value instanceof CelList || (value instanceof CelData && Array.isArray(value.json));
}

export function isMap(value: CelValue): value is CelMap | CelData {
  return value instanceof CelMap || (value instanceof CelData && !Array.isArray(value.json));
}

export function listSize(list: CelList | CelData): number {
  return list instanceof CelList ? list.items.length : (list.json as readonly JsonValue[]).length;
}

export function listItem(list: CelList | CelData, index: number): CelValue | undefined {
  if (list instanceof CelList) return list.items[index];
  const item = (list.json as readonly JsonValue[])[index];
  return item === undefined ? undefined : fromJson(item);
}

export function mapKeys(map: CelMap | CelData): readonly string[] {
  return map instanceof CelMap ? [...map.entries.keys()] : Object.keys(map.json);
}

/** Own members only: `constructor` and `__proto__` are data when the data has them and missing when not. */
export function mapMember(map: CelMap | CelData, key: string): CelValue | undefined {
  if (map instanceof CelMap) return map.entries.get(key);
  if (!Object.hasOwn(map.json, key)) return undefined;
  const member = (map.json as { readonly [key: string]: JsonValue })[key];
  return member === undefined ? undefined : fromJson(member);
}
