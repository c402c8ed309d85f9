import { type ASTNode, Environment, ParseError } from "@marcbachmann/cel-js";
import { ExpressionError } from "../errors.js";

export const expressionCharactersMax = 4_096;

/** 1,000 nodes and 32 levels are far beyond what a person reads; they bound recursion and compile time. */
const grammar = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: false,
  limits: { maxAstNodes: 1_000, maxDepth: 32, maxListElements: 256, maxMapEntries: 256, maxCallArguments: 8 },
});

/**
 * Reads the grammar with the CEL library; nothing is evaluated by it.
 *
 * @throws ExpressionError `invalid_expression`, also for what is empty or longer than 4,096 characters.
 */
export function parseGrammar(source: string): ASTNode {
  if (source.length > expressionCharactersMax) {
    throw new ExpressionError(
      "invalid_expression",
      source,
      0,
      `the expression is longer than ${expressionCharactersMax} characters`,
    );
  }
  if (source.trim() === "")
    throw new ExpressionError("invalid_expression", source, 0, "the expression is empty");

  try {
    return grammar.parse(source).ast;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const summary = error.summary.charAt(0).toLowerCase() + error.summary.slice(1);
    throw new ExpressionError(
      "invalid_expression",
      source,
      error.range?.start ?? 0,
      `the expression is not valid: ${summary}`,
    );
  }
}
