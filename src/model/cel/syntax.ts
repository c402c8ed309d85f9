import type { RE2JS } from "re2js";
import type { CelFunction } from "./functions.js";
import type { BinaryOperator } from "./operators.js";
import type { CelValue } from "./values.js";

/** The closed tree that is evaluated. `offset` is a 0-based UTF-16 index into the expression. */
export type CelNode = { readonly offset: number } & (
  | { readonly kind: "literal"; readonly value: CelValue }
  /** A declared variable, read from the context. */
  | { readonly kind: "variable"; readonly name: string }
  /** A variable that a macro introduced. */
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "field"; readonly of: CelNode; readonly name: string }
  | { readonly kind: "index"; readonly of: CelNode; readonly key: CelNode }
  | { readonly kind: "has"; readonly of: CelNode; readonly name: string }
  | { readonly kind: "not" | "negate"; readonly of: CelNode }
  | { readonly kind: "and" | "or"; readonly left: CelNode; readonly right: CelNode }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: CelNode;
      readonly right: CelNode;
    }
  | { readonly kind: "choose"; readonly test: CelNode; readonly yes: CelNode; readonly no: CelNode }
  | { readonly kind: "list"; readonly items: readonly CelNode[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [CelNode, CelNode])[] }
  /** The receiver of a method is its first argument. */
  | { readonly kind: "call"; readonly call: CelFunction; readonly args: readonly CelNode[] }
  /** `pattern` is compiled ahead when it is a literal. */
  | {
      readonly kind: "matches";
      readonly text: CelNode;
      readonly pattern: CelNode;
      readonly compiled: RE2JS | undefined;
    }
  | {
      readonly kind: "loop";
      readonly macro: LoopMacro;
      readonly over: CelNode;
      readonly variable: string;
      /** The predicate, or for `map(x, f)` true. */
      readonly test: CelNode | undefined;
      /** What `map` makes of each element. */
      readonly body: CelNode | undefined;
    }
);

export type LoopMacro = "all" | "exists" | "exists_one" | "map" | "filter";

/**
 * A use of a declared variable. `path` holds the constant members that follow it: `steps.log.output.text`
 * and `steps["log"].output.text` are both `["log", "output", "text"]`; it ends at the first computed index.
 */
export interface CelReference {
  readonly variable: string;
  readonly path: readonly string[];
  readonly offset: number;
}
