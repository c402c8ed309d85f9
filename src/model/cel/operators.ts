import type { Budget } from "./budget.js";
import { CelFailure } from "./budget.js";
import {
  CelDuration,
  CelList,
  CelTimestamp,
  type CelValue,
  isList,
  isMap,
  listItem,
  listSize,
  mapKeys,
  mapMember,
  typeName,
} from "./values.js";

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in";

const intMax = 2n ** 63n - 1n;
const intMin = -(2n ** 63n);

/** @throws CelFailure when the operator is not defined for the operands. */
export function applyBinary(
  operator: BinaryOperator,
  left: CelValue,
  right: CelValue,
  budget: Budget,
): CelValue {
  switch (operator) {
    case "==":
      return isEqual(left, right, budget);
    case "!=":
      return !isEqual(left, right, budget);
    case "in":
      return isMember(left, right, budget);
    case "<":
      return compare(operator, left, right, budget) < 0;
    case "<=":
      return compare(operator, left, right, budget) <= 0;
    case ">":
      return compare(operator, left, right, budget) > 0;
    case ">=":
      return compare(operator, left, right, budget) >= 0;
    case "+":
      return add(left, right, budget);
    case "-":
    case "*":
    case "/":
    case "%":
      return calculate(operator, left, right);
  }
}

/** Ints overflow as errors, never silently. */
export function checkedInt(value: bigint): bigint {
  if (value > intMax || value < intMin) throw new CelFailure("the result does not fit in a 64-bit integer");
  return value;
}

/** Values of different kinds are unequal, never an error; 1 equals 1.0. */
export function isEqual(left: CelValue, right: CelValue, budget: Budget): boolean {
  budget.charge(1);
  if (isNumber(left) && isNumber(right)) {
    // Loose comparison of a bigint with a number is exact mathematics in JavaScript.
    return typeof left === typeof right
      ? left === right
      : !(left < right) && !(left > right) && !Number.isNaN(Number(left) + Number(right));
  }
  if (typeof left === "string" && typeof right === "string") {
    budget.chargeText(Math.min(left.length, right.length));
    return left === right;
  }
  if (left instanceof CelTimestamp && right instanceof CelTimestamp) return left.ms === right.ms;
  if (left instanceof CelDuration && right instanceof CelDuration) return left.ms === right.ms;
  if (isList(left) && isList(right)) {
    const size = listSize(left);
    if (size !== listSize(right)) return false;
    for (let index = 0; index < size; index++) {
      if (!isEqual(listItem(left, index) ?? null, listItem(right, index) ?? null, budget)) return false;
    }
    return true;
  }
  if (isMap(left) && isMap(right)) {
    const keys = mapKeys(left);
    budget.charge(keys.length);
    if (keys.length !== mapKeys(right).length) return false;
    return keys.every((key) => {
      const other = mapMember(right, key);
      return other !== undefined && isEqual(mapMember(left, key) ?? null, other, budget);
    });
  }
  return left === right;
}

function isMember(value: CelValue, container: CelValue, budget: Budget): boolean {
  if (isList(container)) {
    const size = listSize(container);
    for (let index = 0; index < size; index++) {
      if (isEqual(value, listItem(container, index) ?? null, budget)) return true;
    }
    return false;
  }
  if (isMap(container)) return typeof value === "string" && mapMember(container, value) !== undefined;
  throw new CelFailure(`\`in\` needs a list or a map on its right, not a ${typeName(container)}`);
}

function compare(operator: string, left: CelValue, right: CelValue, budget: Budget): number {
  if (isNumber(left) && isNumber(right)) {
    // NaN is neither less, equal nor greater: NaN answers false to all four comparisons.
    return left < right ? -1 : left > right ? 1 : Number.isNaN(Number(left) + Number(right)) ? Number.NaN : 0;
  }
  if (typeof left === "string" && typeof right === "string") {
    budget.chargeText(Math.min(left.length, right.length));
    return compareCodePoints(left, right);
  }
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (left instanceof CelTimestamp && right instanceof CelTimestamp) return left.ms - right.ms;
  if (left instanceof CelDuration && right instanceof CelDuration) return left.ms - right.ms;
  throw undefinedFor(operator, left, right);
}

/** UTF-16 order puts astral characters before U+E000 to U+FFFF; CEL orders by code point. */
function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a === b) continue;
    const astralA = a >= 0xd800 && a <= 0xdfff;
    const astralB = b >= 0xd800 && b <= 0xdfff;
    return astralA === astralB ? a - b : astralA ? 1 : -1;
  }
  return left.length - right.length;
}

function add(left: CelValue, right: CelValue, budget: Budget): CelValue {
  if (typeof left === "string" && typeof right === "string") {
    budget.chargeText(left.length + right.length);
    return left + right;
  }
  if (isList(left) && isList(right)) {
    budget.charge(listSize(left) + listSize(right));
    return new CelList([...itemsOf(left), ...itemsOf(right)]);
  }
  if (left instanceof CelTimestamp && right instanceof CelDuration)
    return new CelTimestamp(left.ms + right.ms);
  if (left instanceof CelDuration && right instanceof CelTimestamp)
    return new CelTimestamp(left.ms + right.ms);
  if (left instanceof CelDuration && right instanceof CelDuration) return new CelDuration(left.ms + right.ms);
  return calculate("+", left, right);
}

/**
 * An int and a double give a double. Standard CEL refuses the mixture, but it can tell 1 from 1.0 and JSON
 * cannot: `inputs.ratio * 2.0` must not fail on the day the ratio is 1.
 */
function calculate(operator: "+" | "-" | "*" | "/" | "%", left: CelValue, right: CelValue): CelValue {
  if (typeof left === "bigint" && typeof right === "bigint") return calculateInts(operator, left, right);
  if (isNumber(left) && isNumber(right) && operator !== "%") {
    const [a, b] = [Number(left), Number(right)];
    return operator === "+" ? a + b : operator === "-" ? a - b : operator === "*" ? a * b : a / b;
  }
  if (operator === "-") {
    if (left instanceof CelTimestamp && right instanceof CelTimestamp)
      return new CelDuration(left.ms - right.ms);
    if (left instanceof CelTimestamp && right instanceof CelDuration)
      return new CelTimestamp(left.ms - right.ms);
    if (left instanceof CelDuration && right instanceof CelDuration)
      return new CelDuration(left.ms - right.ms);
  }
  throw undefinedFor(operator, left, right);
}

function calculateInts(operator: "+" | "-" | "*" | "/" | "%", left: bigint, right: bigint): bigint {
  if ((operator === "/" || operator === "%") && right === 0n) throw new CelFailure("division by zero");
  switch (operator) {
    case "+":
      return checkedInt(left + right);
    case "-":
      return checkedInt(left - right);
    case "*":
      return checkedInt(left * right);
    case "/":
      return checkedInt(left / right);
    case "%":
      return left % right;
  }
}

export function* itemsOf(list: CelValue): Generator<CelValue> {
  if (!isList(list)) return;
  for (let index = 0; index < listSize(list); index++) yield listItem(list, index) ?? null;
}

function isNumber(value: CelValue): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

function undefinedFor(operator: string, left: CelValue, right: CelValue): CelFailure {
  return new CelFailure(`\`${operator}\` is not defined for ${typeName(left)} and ${typeName(right)}`);
}
