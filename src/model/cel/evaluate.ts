import { RE2JS } from "re2js";
import type { JsonValue } from "../json.js";
import { type Budget, CelFailure } from "./budget.js";
import { applyBinary, checkedInt, itemsOf } from "./operators.js";
import type { CelNode } from "./syntax.js";
import {
  CelList,
  CelMap,
  type CelValue,
  fromJson,
  isList,
  isMap,
  listItem,
  listSize,
  mapKeys,
  mapMember,
  typeName,
} from "./values.js";

/** Where names are found. `locals` is a chain of macro variables, innermost first. */
interface Scope {
  readonly context: Readonly<Record<string, JsonValue>>;
  readonly locals: Locals | undefined;
  readonly budget: Budget;
}

interface Locals {
  readonly name: string;
  readonly value: CelValue;
  readonly outer: Locals | undefined;
}

const unwindingUnits = 32;

/** @throws CelFailure (with an offset) or CelExhausted */
export function evaluateCel(
  root: CelNode,
  context: Readonly<Record<string, JsonValue>>,
  budget: Budget,
): CelValue {
  return evaluate(root, { context, locals: undefined, budget });
}

function evaluate(node: CelNode, scope: Scope): CelValue {
  scope.budget.charge(1);
  try {
    return evaluateNode(node, scope);
  } catch (error) {
    if (!(error instanceof CelFailure)) throw error;
    // Unwinding is slow, and `all` over data that fails everywhere unwinds for each element.
    scope.budget.charge(unwindingUnits);
    throw error.offset === undefined ? new CelFailure(error.message, node.offset) : error;
  }
}

function evaluateNode(node: CelNode, scope: Scope): CelValue {
  switch (node.kind) {
    case "literal":
      return node.value;
    case "variable":
      if (!Object.hasOwn(scope.context, node.name))
        throw new CelFailure(`there is no value for \`${node.name}\``);
      return fromJson(scope.context[node.name] ?? null);
    case "local":
      return findLocal(scope.locals, node.name);
    case "field":
      return member(evaluate(node.of, scope), node.name);
    case "index":
      return indexed(evaluate(node.of, scope), evaluate(node.key, scope));
    case "has":
      return hasMember(evaluate(node.of, scope), node.name);
    case "not":
      return !truth(evaluate(node.of, scope), "`!`");
    case "negate":
      return negated(evaluate(node.of, scope));
    case "and":
      return decide(node.left, node.right, false, scope);
    case "or":
      return decide(node.left, node.right, true, scope);
    case "binary":
      return applyBinary(
        node.operator,
        evaluate(node.left, scope),
        evaluate(node.right, scope),
        scope.budget,
      );
    case "choose":
      return evaluate(truth(evaluate(node.test, scope), "the condition") ? node.yes : node.no, scope);
    case "list":
      return new CelList(node.items.map((item) => evaluate(item, scope)));
    case "map":
      return makeMap(node.entries, scope);
    case "call":
      return node.call.apply(
        node.args.map((arg) => evaluate(arg, scope)),
        scope.budget,
      );
    case "matches":
      return matches(
        evaluate(node.text, scope),
        node.compiled ?? evaluate(node.pattern, scope),
        scope.budget,
      );
    case "loop":
      return loop(node, scope);
  }
}

function findLocal(locals: Locals | undefined, name: string): CelValue {
  for (let current = locals; current !== undefined; current = current.outer) {
    if (current.name === name) return current.value;
  }
  throw new CelFailure(`there is no value for \`${name}\``);
}

function member(of: CelValue, name: string): CelValue {
  if (!isMap(of)) throw new CelFailure(`a ${typeName(of)} has no field \`${name}\``);
  const value = mapMember(of, name);
  if (value === undefined) throw new CelFailure(`there is no field \`${name}\``);
  return value;
}

function indexed(of: CelValue, key: CelValue): CelValue {
  if (isList(of)) {
    if (typeof key !== "bigint")
      throw new CelFailure(`a list has no element \`${typeName(key)}\`: an index is an int`);
    const item = key >= 0n && key < BigInt(listSize(of)) ? listItem(of, Number(key)) : undefined;
    if (item === undefined) throw new CelFailure(`index ${key} is outside the list of ${listSize(of)}`);
    return item;
  }
  if (typeof key !== "string")
    throw new CelFailure(`a ${typeName(of)} cannot be indexed with a ${typeName(key)}`);
  return member(of, key);
}

function hasMember(of: CelValue, name: string): boolean {
  if (!isMap(of)) throw new CelFailure(`a ${typeName(of)} has no fields`);
  return mapMember(of, name) !== undefined;
}

function negated(value: CelValue): CelValue {
  if (typeof value === "bigint") return checkedInt(-value);
  if (typeof value === "number") return -value;
  throw new CelFailure(`\`-\` is not defined for ${typeName(value)}`);
}

function truth(value: CelValue, what: string): boolean {
  if (typeof value !== "boolean")
    throw new CelFailure(`${what} needs true or false, found a ${typeName(value)}`);
  return value;
}

/**
 * `&&` and `||` as CEL has them: either side alone may decide, even when the other one failed. `deciding` is
 * the value that settles it.
 */
function decide(left: CelNode, right: CelNode, deciding: boolean, scope: Scope): boolean {
  const what = deciding ? "`||`" : "`&&`";
  let failure: CelFailure | undefined;
  try {
    if (truth(evaluate(left, scope), what) === deciding) return deciding;
  } catch (error) {
    if (!(error instanceof CelFailure)) throw error;
    failure = error;
  }
  const value = truth(evaluate(right, scope), what);
  if (value !== deciding && failure !== undefined) throw failure;
  return value;
}

function makeMap(entries: readonly (readonly [CelNode, CelNode])[], scope: Scope): CelMap {
  const made = new Map<string, CelValue>();
  for (const [keyNode, valueNode] of entries) {
    const key = evaluate(keyNode, scope);
    if (typeof key !== "string")
      throw new CelFailure(`a map key must be a string, found a ${typeName(key)}`, keyNode.offset);
    if (made.has(key)) throw new CelFailure(`the key \`${key}\` stands twice in the map`, keyNode.offset);
    made.set(key, evaluate(valueNode, scope));
  }
  return new CelMap(made);
}

/** RE2 only (K1): the pattern or the text may come from an agent. The pattern may match anywhere in the text. */
function matches(text: CelValue, pattern: CelValue | RE2JS, budget: Budget): boolean {
  if (typeof text !== "string") throw new CelFailure(`\`matches\` is not defined for ${typeName(text)}`);
  const compiled = pattern instanceof RE2JS ? pattern : compilePattern(pattern, budget);
  // Linear means characters of the text times size of the program.
  budget.charge(1 + Math.ceil((text.length * compiled.programSize()) / 64));
  return compiled.matcher(text).find();
}

function compilePattern(pattern: CelValue, budget: Budget): RE2JS {
  if (typeof pattern !== "string") throw new CelFailure(`a pattern is a string, not a ${typeName(pattern)}`);
  // A computed pattern is compiled at every use, and `a{1000}` is a thousand states.
  budget.charge(1_000 + pattern.length * 16);
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new CelFailure(
      `the pattern is not valid RE2: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function loop(node: CelNode & { readonly kind: "loop" }, scope: Scope): CelValue {
  const over = evaluate(node.over, scope);
  if (!isList(over) && !isMap(over))
    throw new CelFailure(`\`${node.macro}\` is not defined for ${typeName(over)}`);
  const elements: Iterable<CelValue> = isMap(over) ? mapKeys(over) : itemsOf(over);
  const { macro, variable, test, body } = node;
  const kept: CelValue[] = [];
  let failure: CelFailure | undefined;
  for (const element of elements) {
    const inner: Scope = { ...scope, locals: { name: variable, value: element, outer: scope.locals } };
    let held = true;
    try {
      if (test !== undefined) held = truth(evaluate(test, inner), `\`${macro}\``);
    } catch (error) {
      // As with `&&` and `||`, another element may still decide `all` and `exists`.
      if (!(error instanceof CelFailure) || (macro !== "all" && macro !== "exists")) throw error;
      failure ??= error;
      continue;
    }
    if (macro === "all" && !held) return false;
    if (macro === "exists" && held) return true;
    if (held) kept.push(body === undefined ? element : evaluate(body, inner));
  }
  if (failure !== undefined) throw failure;
  if (macro === "all") return true;
  if (macro === "exists") return false;
  return macro === "exists_one" ? kept.length === 1 : new CelList(kept);
}
