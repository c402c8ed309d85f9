import { Budget, CelExhausted, CelFailure } from "./cel/budget.js";
import { evaluateCel } from "./cel/evaluate.js";
import { parseCel } from "./cel/parse.js";
import type { CelReference } from "./cel/syntax.js";
import { toJson } from "./cel/values.js";
import { ExpressionError } from "./errors.js";
import type { JsonValue } from "./json.js";

export type { CelReference } from "./cel/syntax.js";
export { expressionCharactersMax } from "./cel/grammar.js";

/** A compiled expression; frozen and without state, so it may be shared and evaluated again and again. */
export interface CelExpression {
  readonly source: string;
  /** Uses of declared variables, in the order in which they stand. */
  readonly references: readonly CelReference[];
  /**
   * @param context a value for each declared variable that the expression uses.
   * @throws ExpressionError `expression_failed`: a missing field, an operator that is not defined, a result
   *   that JSON does not have, or too much work.
   */
  evaluate(context: Readonly<Record<string, JsonValue>>): JsonValue;
}

/** Steps of work in one evaluation (see Budget); about 50 ms at most. */
const evaluationBudget = 1_000_000;

/**
 * Compiles a CEL expression for conditions (`when`, `if`) and templates.
 *
 * The grammar is CEL's (read by the library); values and functions are a subset that is deterministic and
 * bounded: int, double, string, bool, null, list, map with string keys, timestamp, duration. Whole JSON
 * numbers are ints, others doubles, and the two mix in arithmetic. There is no clock, zone, locale or
 * randomness; `matches` runs on RE2 (SEMANTICS K1).
 *
 * @param variables names that may be used; any other name is an error.
 * @throws ExpressionError `invalid_expression` with the offset of what is wrong.
 */
export function compileCel(source: string, variables: readonly string[]): CelExpression {
  const { root, references } = parseCel(source, variables);
  return Object.freeze({
    source,
    references,
    evaluate(context: Readonly<Record<string, JsonValue>>): JsonValue {
      const budget = new Budget(evaluationBudget);
      try {
        return toJson(evaluateCel(root, context, budget), budget);
      } catch (error) {
        if (error instanceof CelFailure)
          throw new ExpressionError("expression_failed", source, error.offset ?? 0, error.message);
        if (error instanceof CelExhausted) {
          throw new ExpressionError(
            "expression_failed",
            source,
            0,
            "the expression needs too much work on this data",
          );
        }
        throw error;
      }
    },
  });
}
