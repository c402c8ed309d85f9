import { SynapseError } from "../errors.js";
import { formatInstant, parseDuration, parseInstant } from "../time.js";
import { type Budget, CelFailure } from "./budget.js";
import { checkedInt, itemsOf } from "./operators.js";
import {
  CelDuration,
  CelList,
  CelTimestamp,
  type CelValue,
  isList,
  isMap,
  listSize,
  mapKeys,
  typeName,
} from "./values.js";

/** One function or method. A method's receiver is its first argument. */
export interface CelFunction {
  readonly name: string;
  /** Arguments in all, the receiver included. */
  readonly arity: readonly [least: number, most: number];
  apply(args: readonly CelValue[], budget: Budget): CelValue;
}

/**
 * The whole library: nothing here reads a clock, a locale, a time zone or randomness, and each function is
 * linear in its input. What CEL implementations add beyond this is refused when the expression is compiled.
 */
export const functions: ReadonlyMap<string, CelFunction> = table([
  ["size", [1, 1], ([value], budget) => BigInt(sizeOf(value ?? null, budget))],
  ["int", [1, 1], ([value]) => toInt(value ?? null)],
  ["double", [1, 1], ([value]) => toDouble(value ?? null)],
  ["string", [1, 1], ([value]) => toText(value ?? null)],
  ["bool", [1, 1], ([value]) => toBool(value ?? null)],
  ["type", [1, 1], ([value]) => typeName(value ?? null)],
  ["timestamp", [1, 1], ([value]) => toTimestamp(value ?? null)],
  ["duration", [1, 1], ([value]) => toDuration(value ?? null)],
]);

/** Methods; strings are counted in code points, timestamps are read in UTC. */
export const methods: ReadonlyMap<string, CelFunction> = table([
  ["size", [1, 1], ([value], budget) => BigInt(sizeOf(value ?? null, budget))],
  ["startsWith", [2, 2], (args, budget) => textOf(args, 0, budget).startsWith(textOf(args, 1, budget))],
  ["endsWith", [2, 2], (args, budget) => textOf(args, 0, budget).endsWith(textOf(args, 1, budget))],
  ["contains", [2, 2], (args, budget) => textOf(args, 0, budget).includes(textOf(args, 1, budget))],
  [
    "lowerAscii",
    [1, 1],
    (args, budget) => textOf(args, 0, budget).replace(/[A-Z]+/g, (run) => run.toLowerCase()),
  ],
  [
    "upperAscii",
    [1, 1],
    (args, budget) => textOf(args, 0, budget).replace(/[a-z]+/g, (run) => run.toUpperCase()),
  ],
  ["trim", [1, 1], (args, budget) => textOf(args, 0, budget).trim()],
  ["substring", [2, 3], substring],
  ["replace", [3, 3], replace],
  ["split", [2, 2], split],
  ["join", [1, 2], join],
  ["getFullYear", [1, 1], (args) => fromDate(args, (date) => date.getUTCFullYear())],
  ["getMonth", [1, 1], (args) => fromDate(args, (date) => date.getUTCMonth())],
  ["getDate", [1, 1], (args) => fromDate(args, (date) => date.getUTCDate())],
  ["getDayOfMonth", [1, 1], (args) => fromDate(args, (date) => date.getUTCDate() - 1)],
  ["getDayOfWeek", [1, 1], (args) => fromDate(args, (date) => date.getUTCDay())],
  ["getHours", [1, 1], (args) => fromTime(args, 3_600_000, (date) => date.getUTCHours())],
  ["getMinutes", [1, 1], (args) => fromTime(args, 60_000, (date) => date.getUTCMinutes())],
  ["getSeconds", [1, 1], (args) => fromTime(args, 1_000, (date) => date.getUTCSeconds())],
  ["getMilliseconds", [1, 1], (args) => fromTime(args, 1, (date) => date.getUTCMilliseconds())],
]);

type Row = readonly [name: string, arity: readonly [number, number], apply: CelFunction["apply"]];

function table(rows: readonly Row[]): ReadonlyMap<string, CelFunction> {
  return new Map(rows.map(([name, arity, apply]) => [name, Object.freeze({ name, arity, apply })]));
}

function sizeOf(value: CelValue, budget: Budget): number {
  if (typeof value === "string") return [...charged(value, budget)].length;
  if (isList(value)) return listSize(value);
  if (isMap(value)) return mapKeys(value).length;
  throw new CelFailure(`size() is not defined for ${typeName(value)}`);
}

function toInt(value: CelValue): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isFinite(value)) return checkedInt(BigInt(Math.trunc(value)));
  if (typeof value === "string" && /^-?[0-9]{1,19}$/.test(value)) return checkedInt(BigInt(value));
  if (value instanceof CelTimestamp) return BigInt(Math.floor(value.ms / 1000));
  throw new CelFailure(`int() cannot convert this ${typeName(value)}`);
}

function toDouble(value: CelValue): number {
  if (typeof value === "bigint" || typeof value === "number") return Number(value);
  if (
    typeof value === "string" &&
    value.length <= 64 &&
    /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(value)
  ) {
    return Number(value);
  }
  throw new CelFailure(`double() cannot convert this ${typeName(value)}`);
}

function toText(value: CelValue): string {
  if (typeof value === "string") return value;
  if (value instanceof CelTimestamp) return formatInstant(value.ms);
  if (value instanceof CelDuration) return `${value.ms / 1000}s`;
  if (typeof value === "boolean" || typeof value === "bigint" || typeof value === "number")
    return String(value);
  throw new CelFailure(`string() cannot convert a ${typeName(value)}`);
}

function toBool(value: CelValue): boolean {
  if (typeof value === "boolean") return value;
  if (value === "true") return true;
  if (value === "false") return false;
  throw new CelFailure(`bool() cannot convert this ${typeName(value)}`);
}

function toTimestamp(value: CelValue): CelTimestamp {
  if (value instanceof CelTimestamp) return value;
  if (typeof value === "bigint") return new CelTimestamp(Number(value) * 1000);
  if (typeof value === "string") return new CelTimestamp(parsed(() => parseInstant(value)));
  throw new CelFailure(`timestamp() is not defined for ${typeName(value)}`);
}

function toDuration(value: CelValue): CelDuration {
  if (value instanceof CelDuration) return value;
  if (typeof value === "string") return new CelDuration(parsed(() => parseDuration(value)));
  throw new CelFailure(`duration() is not defined for ${typeName(value)}`);
}

function parsed(parse: () => number): number {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SynapseError) throw new CelFailure(error.message);
    throw error;
  }
}

function substring(args: readonly CelValue[], budget: Budget): string {
  const characters = [...textOf(args, 0, budget)];
  budget.charge(characters.length);
  const start = indexOf(args[1] ?? null, characters.length);
  const end = args.length > 2 ? indexOf(args[2] ?? null, characters.length) : characters.length;
  if (end < start) throw new CelFailure("substring() ends before it starts");
  return characters.slice(start, end).join("");
}

function indexOf(value: CelValue, most: number): number {
  if (typeof value === "bigint" && value >= 0n && value <= BigInt(most)) return Number(value);
  throw new CelFailure("substring() index out of range");
}

function replace(args: readonly CelValue[], budget: Budget): string {
  const pieces = piecesOf(args, budget);
  const replacement = textOf(args, 2, budget);
  budget.chargeText(pieces.length * replacement.length);
  return pieces.join(replacement);
}

function split(args: readonly CelValue[], budget: Budget): CelValue {
  return new CelList(piecesOf(args, budget));
}

function piecesOf(args: readonly CelValue[], budget: Budget): string[] {
  const separator = textOf(args, 1, budget);
  if (separator === "") throw new CelFailure("the text to look for is empty");
  const pieces = textOf(args, 0, budget).split(separator);
  budget.charge(pieces.length);
  return pieces;
}

function join(args: readonly CelValue[], budget: Budget): string {
  const separator = args.length > 1 ? textOf(args, 1, budget) : "";
  const list = args[0] ?? null;
  if (!isList(list)) throw new CelFailure(`join() is not defined for ${typeName(list)}`);
  const pieces: string[] = [];
  for (const item of itemsOf(list)) {
    if (typeof item !== "string") throw new CelFailure(`join() needs strings, not a ${typeName(item)}`);
    budget.chargeText(item.length + separator.length);
    pieces.push(item);
  }
  return pieces.join(separator);
}

function textOf(args: readonly CelValue[], index: number, budget: Budget): string {
  const value = args[index] ?? null;
  if (typeof value !== "string") throw new CelFailure(`expected a string, found a ${typeName(value)}`);
  budget.chargeText(value.length);
  return value;
}

function charged(text: string, budget: Budget): string {
  budget.chargeText(text.length);
  return text;
}

function fromDate(args: readonly CelValue[], read: (date: Date) => number): bigint {
  const value = args[0] ?? null;
  if (!(value instanceof CelTimestamp))
    throw new CelFailure(`expected a timestamp, found a ${typeName(value)}`);
  return BigInt(read(new Date(value.ms)));
}

/** Of a timestamp the field, of a duration the whole of it in that unit. */
function fromTime(args: readonly CelValue[], unitMs: number, read: (date: Date) => number): bigint {
  const value = args[0] ?? null;
  return value instanceof CelDuration ? BigInt(Math.trunc(value.ms / unitMs)) : fromDate(args, read);
}
