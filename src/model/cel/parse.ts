import type { ASTNode } from "@marcbachmann/cel-js";
import { RE2JS } from "re2js";
import { didYouMean } from "../closest.js";
import { ExpressionError } from "../errors.js";
import { type CelFunction, functions, methods } from "./functions.js";
import { parseGrammar } from "./grammar.js";
import type { BinaryOperator } from "./operators.js";
import { referenceOf } from "./reference.js";
import type { CelNode, CelReference, LoopMacro } from "./syntax.js";

const loopArguments: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ["all", [2, 2]],
  ["exists", [2, 2]],
  ["exists_one", [2, 2]],
  ["map", [2, 3]],
  ["filter", [2, 2]],
]);

/**
 * Reads the grammar with the CEL library and turns its tree into the closed tree that is evaluated here, so
 * that a function, a literal or a macro that is not known to be deterministic and linear is refused before
 * anything runs.
 *
 * @throws ExpressionError `invalid_expression`
 */
export function parseCel(
  source: string,
  variables: readonly string[],
): { readonly root: CelNode; readonly references: readonly CelReference[] } {
  const references: CelReference[] = [];
  const root = new Reader(source, variables, references).read(parseGrammar(source), []);
  return { root, references: Object.freeze(references) };
}

class Reader {
  constructor(
    private readonly source: string,
    private readonly variables: readonly string[],
    private readonly references: CelReference[],
  ) {}

  read(node: ASTNode, locals: readonly string[]): CelNode {
    const offset = node.start;
    switch (node.op) {
      case "value":
        return { kind: "literal", value: this.literal(node, node.args), offset };
      case "id":
        return this.identifier(node.args, offset, locals);
      case ".":
      case "[]": {
        const reference = referenceOf(node, locals);
        if (reference !== undefined) this.references.push(reference);
        return this.access(node, locals);
      }
      case "!_":
        return { kind: "not", of: this.read(node.args, locals), offset };
      case "-_":
        // The least int has no positive counterpart: `-9223372036854775808` is one literal.
        if (node.args.op === "value" && node.args.args === 2n ** 63n)
          return { kind: "literal", value: -(2n ** 63n), offset };
        return { kind: "negate", of: this.read(node.args, locals), offset };
      case "&&":
      case "||": {
        const [left, right] = node.args;
        return {
          kind: node.op === "&&" ? "and" : "or",
          left: this.read(left, locals),
          right: this.read(right, locals),
          offset,
        };
      }
      case "?:": {
        const [test, yes, no] = node.args.map((arm) => this.read(arm, locals)) as [CelNode, CelNode, CelNode];
        return { kind: "choose", test, yes, no, offset };
      }
      case "list":
        return { kind: "list", items: node.args.map((item) => this.read(item, locals)), offset };
      case "map":
        return {
          kind: "map",
          entries: node.args.map(
            ([key, value]) => [this.read(key, locals), this.read(value, locals)] as const,
          ),
          offset,
        };
      case "call":
        return this.call(node.args[0], node.args[1], offset, locals);
      case "rcall":
        return this.method(node.args[0], node.args[1], node.args[2], offset, locals);
      case ".?":
      case "[?]":
        throw this.refuse(offset, "optional members are not supported: use has()");
      case "+":
      case "-":
      case "*":
      case "/":
      case "%":
      case "==":
      case "!=":
      case "<":
      case "<=":
      case ">":
      case ">=":
      case "in":
        return this.binary(node.op, node.args, offset, locals);
    }
  }

  private binary(
    operator: BinaryOperator,
    [left, right]: readonly [ASTNode, ASTNode],
    offset: number,
    locals: readonly string[],
  ): CelNode {
    return {
      kind: "binary",
      operator,
      left: this.read(left, locals),
      right: this.read(right, locals),
      offset,
    };
  }

  private literal(node: ASTNode, value: unknown): null | boolean | bigint | number | string {
    if (typeof value === "bigint" && value >= 2n ** 63n)
      throw this.refuse(node.start, "the number does not fit in a 64-bit integer");
    if (
      value === null ||
      typeof value === "bigint" ||
      typeof value === "number" ||
      typeof value === "boolean"
    )
      return value;
    if (typeof value === "string") {
      if (!value.isWellFormed()) throw this.refuse(node.start, "the text holds a lone surrogate");
      return value;
    }
    throw this.refuse(node.start, "unsigned integers and bytes are not supported");
  }

  private identifier(name: string, offset: number, locals: readonly string[]): CelNode {
    if (locals.includes(name)) return { kind: "local", name, offset };
    this.requireVariable(name, offset);
    this.references.push({ variable: name, path: [], offset });
    return { kind: "variable", name, offset };
  }

  private requireVariable(name: string, offset: number): void {
    if (this.variables.includes(name)) return;
    const hint =
      didYouMean(name, this.variables) ??
      `the variables are: ${this.variables.join(", ")}; a name with a dash is written ["a-b"]`;
    throw this.refuse(offset, `unknown variable \`${name}\``, hint);
  }

  /** Reads a chain of accesses without recording its inner parts as references of their own. */
  private access(node: ASTNode, locals: readonly string[]): CelNode {
    if (node.op === ".") {
      const [of, name] = node.args;
      return { kind: "field", of: this.access(of, locals), name, offset: node.pos };
    }
    if (node.op === "[]") {
      const [of, key] = node.args;
      return { kind: "index", of: this.access(of, locals), key: this.read(key, locals), offset: key.start };
    }
    if (node.op === "id" && !locals.includes(node.args)) {
      this.requireVariable(node.args, node.start);
      return { kind: "variable", name: node.args, offset: node.start };
    }
    return this.read(node, locals);
  }

  private call(name: string, args: readonly ASTNode[], offset: number, locals: readonly string[]): CelNode {
    if (name === "has") return this.has(args, offset, locals);
    // In CEL `dyn(x)` only speaks to the type checker.
    if (name === "dyn" && args.length === 1 && args[0] !== undefined) return this.read(args[0], locals);
    return this.apply(functions, name, args, args.length, offset, locals);
  }

  private has(args: readonly ASTNode[], offset: number, locals: readonly string[]): CelNode {
    const [target] = args;
    if (args.length !== 1 || target?.op !== ".")
      throw this.refuse(offset, "has() needs one field, such as has(steps.a.output)");
    const reference = referenceOf(target, locals);
    if (reference !== undefined) this.references.push(reference);
    return { kind: "has", of: this.access(target.args[0], locals), name: target.args[1], offset };
  }

  private method(
    name: string,
    receiver: ASTNode,
    args: readonly ASTNode[],
    offset: number,
    locals: readonly string[],
  ): CelNode {
    const loop = loopArguments.get(name);
    if (loop !== undefined) return this.loop(name as LoopMacro, loop, receiver, args, offset, locals);
    if (name === "matches") return this.matches(receiver, args, offset, locals);
    return this.apply(methods, name, [receiver, ...args], args.length, offset, locals);
  }

  private apply(
    known: ReadonlyMap<string, CelFunction>,
    name: string,
    args: readonly ASTNode[],
    written: number,
    offset: number,
    locals: readonly string[],
  ): CelNode {
    const call = known.get(name);
    if (call === undefined) {
      const hint = didYouMean(name, [...known.keys(), ...loopArguments.keys(), "matches", "has"]);
      throw this.refuse(
        offset,
        `unknown function \`${name}\``,
        hint ?? `the functions are: ${[...known.keys()].join(", ")}`,
      );
    }
    const [least, most] = call.arity;
    if (args.length < least || args.length > most)
      throw this.refuse(offset, `\`${name}\` does not take ${written} arguments`);
    return { kind: "call", call, args: args.map((arg) => this.read(arg, locals)), offset };
  }

  private matches(
    receiver: ASTNode,
    args: readonly ASTNode[],
    offset: number,
    locals: readonly string[],
  ): CelNode {
    const [pattern] = args;
    if (pattern === undefined || args.length !== 1) throw this.refuse(offset, "`matches` takes one pattern");
    const text = this.read(receiver, locals);
    const compiled =
      pattern.op === "value" && typeof pattern.args === "string"
        ? this.pattern(pattern.args, pattern.start)
        : undefined;
    return { kind: "matches", text, pattern: this.read(pattern, locals), compiled, offset };
  }

  private pattern(pattern: string, offset: number): RE2JS {
    try {
      return RE2JS.compile(pattern);
    } catch (error) {
      throw this.refuse(
        offset,
        `the pattern is not valid RE2: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  private loop(
    macro: LoopMacro,
    [least, most]: readonly [number, number],
    receiver: ASTNode,
    args: readonly ASTNode[],
    offset: number,
    locals: readonly string[],
  ): CelNode {
    const [variable, ...parts] = args;
    if (variable?.op !== "id" || args.length < least || args.length > most) {
      throw this.refuse(offset, `\`${macro}\` needs a name and an expression, such as ${macro}(x, x > 0)`);
    }
    if (this.variables.includes(variable.args)) {
      throw this.refuse(
        variable.start,
        `\`${variable.args}\` is a variable already and cannot be used as a name here`,
      );
    }
    const over = this.read(receiver, locals);
    const inner = [...locals, variable.args];
    const read = parts.map((part) => this.read(part, inner));
    const [test, body] =
      macro === "map" ? (read.length === 2 ? read : [undefined, read[0]]) : [read[0], undefined];
    return { kind: "loop", macro, over, variable: variable.args, test, body, offset };
  }

  private refuse(offset: number, message: string, hint?: string): ExpressionError {
    return new ExpressionError("invalid_expression", this.source, offset, message, hint);
  }
}
