import { type CelExpression, type CelReference, compileCel } from "../model/cel.js";
import { ExpressionError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { scanText } from "./expression-scan.js";

/** What expressions of a workflow see. */
export interface ExpressionScope {
  readonly inputs: JsonObject;
  /** By step id: `{status, output?}`; `output` is there when the step gave one. */
  readonly steps: JsonObject;
  /** `{id, workflow, seed, folder}` */
  readonly run: JsonObject;
}

/** Where an expression stands, for the person who reads an error about it. */
export interface ExpressionPlace {
  readonly step: string;
  /** Such as `with.path`. */
  readonly field: string;
}

export interface PlacedExpression {
  readonly expression: CelExpression;
  readonly place: ExpressionPlace;
  /** Where the expression begins in the text that holds it. */
  readonly start: number;
}

export type Condition = PlacedExpression | boolean;

export const expressionVariables = ["inputs", "steps", "run"] as const;

/**
 * @param start added to the offsets of errors.
 * @throws ExpressionError `invalid_expression`
 */
export function compileExpression(source: string, start: number, place: ExpressionPlace): PlacedExpression {
  try {
    const expression = compileCel(source, expressionVariables);
    return Object.freeze({ expression, place: Object.freeze(place), start });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new ExpressionError("invalid_expression", source, start + error.offset, error.message, error.hint);
  }
}

/**
 * A condition, with or without `${{ }}` around it.
 *
 * @throws ExpressionError `invalid_expression`; offsets are into `text`.
 */
export function compileCondition(text: string | boolean, place: ExpressionPlace): Condition {
  if (typeof text === "boolean") return text;
  const pieces = scanText(text.trimEnd());
  if (pieces.every((piece) => piece.kind === "text")) return compileExpression(text, 0, place);
  const [piece] = pieces.filter((part) => part.kind === "expression" || part.content.trim() !== "");
  const isOnly =
    pieces.filter((part) => part.kind === "expression" || part.content.trim() !== "").length === 1;
  if (piece === undefined || !isOnly) {
    throw new ExpressionError(
      "invalid_expression",
      text,
      0,
      "a condition is one expression, not text with expressions in it",
    );
  }
  return compileExpression(piece.content, piece.start, place);
}

/** @throws ExpressionError `expression_failed`, also when the answer is not true or false. */
export function evaluateCondition(condition: Condition, scope: ExpressionScope): boolean {
  if (typeof condition === "boolean") return condition;
  const answer = evaluateExpression(condition, scope);
  if (typeof answer === "boolean") return answer;
  throw failure(condition.place, condition.expression.source, 0, "a condition must give true or false");
}

/** @throws ExpressionError `expression_failed` naming the step, the field and the expression. */
export function evaluateExpression(
  { expression, place }: PlacedExpression,
  scope: ExpressionScope,
): JsonValue {
  try {
    return expression.evaluate({ inputs: scope.inputs, steps: scope.steps, run: scope.run });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw failure(place, expression.source, error.offset, error.message);
  }
}

export function failure(
  place: ExpressionPlace,
  source: string,
  offset: number,
  why: string,
): ExpressionError {
  const shown = source.trim();
  const short = shown.length > 200 ? `${shown.slice(0, 200)}…` : shown;
  const message = `step \`${place.step}\`, field \`${place.field}\`: \`${short}\` failed: ${why}`;
  return new ExpressionError("expression_failed", source, offset, message);
}

export function referencesOf(condition: Condition): readonly CelReference[] {
  return typeof condition === "boolean" ? [] : condition.expression.references;
}
