import { canonicalJson } from "../model/canonical.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import {
  compileExpression,
  evaluateExpression,
  type ExpressionPlace,
  type ExpressionScope,
  type PlacedExpression,
} from "./expression.js";
import { scanText, type TextPiece } from "./expression-scan.js";

/** A value with expressions in it, compiled. */
export type Template =
  | { readonly kind: "constant"; readonly value: JsonValue }
  /** A string that is exactly one expression: gives the value with its type. */
  | { readonly kind: "expression"; readonly expression: PlacedExpression }
  | { readonly kind: "text"; readonly parts: readonly (string | PlacedExpression)[] }
  | { readonly kind: "list"; readonly items: readonly Template[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, Template])[] };

export type TemplatePath = readonly (string | number)[];

/**
 * Compiles every string inside `value`. Keys are never evaluated.
 *
 * @param compileString what to do with one string; it may collect errors and answer a constant.
 */
export function compileTemplate(
  value: JsonValue,
  path: TemplatePath,
  compileString: (text: string, path: TemplatePath) => Template,
): Template {
  if (typeof value === "string") return compileString(value, path);
  if (typeof value !== "object" || value === null) return Object.freeze({ kind: "constant", value });
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map((item, index) =>
      compileTemplate(item, [...path, index], compileString),
    );
    if (items.every((item) => item.kind === "constant")) return constant(items.map((item) => item.value));
    return Object.freeze({ kind: "list", items: Object.freeze(items) });
  }
  const entries = Object.entries(value as JsonObject).map(
    ([key, item]) => [key, compileTemplate(item, [...path, key], compileString)] as const,
  );
  const constants = entries.flatMap(([key, item]) =>
    item.kind === "constant" ? [[key, item.value] as const] : [],
  );
  if (constants.length === entries.length) return constant(Object.fromEntries(constants));
  return Object.freeze({ kind: "object", entries: Object.freeze(entries) });
}

/** @throws ExpressionError `invalid_expression`; offsets are into `text`. */
export function compileText(text: string, place: ExpressionPlace): Template {
  const pieces = scanText(text);
  const [first] = pieces;
  if (first?.kind === "expression" && pieces.length === 1) {
    return Object.freeze({
      kind: "expression",
      expression: compileExpression(first.content, first.start, place),
    });
  }
  if (pieces.every(isText)) return constant(pieces.map((piece) => piece.content).join(""));
  const parts = pieces.map((piece) =>
    isText(piece) ? piece.content : compileExpression(piece.content, piece.start, place),
  );
  return Object.freeze({ kind: "text", parts: Object.freeze(parts) });
}

/**
 * Fills a template in. What an expression gives is data from then on: it is put in once and never looked at
 * for expressions again, so that an output that contains `${{ … }}` stays that text.
 *
 * In text, strings stand as they are and everything else as canonical JSON.
 *
 * @throws ExpressionError `expression_failed`
 */
export function evaluateTemplate(template: Template, scope: ExpressionScope): JsonValue {
  switch (template.kind) {
    case "constant":
      return template.value;
    case "expression":
      return evaluateExpression(template.expression, scope);
    case "text":
      return template.parts
        .map((part) => (typeof part === "string" ? part : textOf(evaluateExpression(part, scope))))
        .join("");
    case "list":
      return Object.freeze(template.items.map((item) => evaluateTemplate(item, scope)));
    case "object":
      return Object.freeze(
        Object.fromEntries(
          template.entries.map(([key, item]) => [key, evaluateTemplate(item, scope)] as const),
        ),
      );
  }
}

/** The expressions of a template, in the order in which they stand. */
export function expressionsOf(template: Template): readonly PlacedExpression[] {
  switch (template.kind) {
    case "constant":
      return [];
    case "expression":
      return [template.expression];
    case "text":
      return template.parts.filter((part) => typeof part !== "string");
    case "list":
      return template.items.flatMap(expressionsOf);
    case "object":
      return template.entries.flatMap(([, item]) => expressionsOf(item));
  }
}

function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : canonicalJson(value);
}

function constant(value: JsonValue): Template {
  return Object.freeze({ kind: "constant", value: Object.isFrozen(value) ? value : Object.freeze(value) });
}

function isText(piece: TextPiece): boolean {
  return piece.kind === "text";
}
