import { ExpressionError } from "../model/errors.js";

/** A run of plain text or one `${{ … }}`; `start` is where its content begins in the whole text. */
export interface TextPiece {
  readonly kind: "text" | "expression";
  readonly content: string;
  readonly start: number;
}

/**
 * Splits a text at its `${{ … }}`. `$${{` stands for a literal `${{`. Braces of map literals and anything
 * inside CEL's string literals and comments do not end an expression. One pass, whatever the text.
 *
 * @throws ExpressionError `invalid_expression` when an expression is not closed; offsets are into `text`.
 */
export function scanText(text: string): readonly TextPiece[] {
  const pieces: TextPiece[] = [];
  let plain = "";
  let plainStart = 0;
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("${{", at);
    if (open === -1) break;
    if (text[open - 1] === "$" && open - 1 >= at) {
      plain += `${text.slice(at, open - 1)}\${{`;
      at = open + 3;
      continue;
    }
    plain += text.slice(at, open);
    if (plain !== "") pieces.push({ kind: "text", content: plain, start: plainStart });
    const end = endOfExpression(text, open + 3);
    if (end === -1) {
      throw new ExpressionError(
        "invalid_expression",
        text,
        open,
        "the expression is not closed",
        "end it with }}",
      );
    }
    pieces.push({ kind: "expression", content: text.slice(open + 3, end), start: open + 3 });
    at = end + 2;
    plain = "";
    plainStart = at;
  }
  plain += text.slice(at);
  if (plain !== "") pieces.push({ kind: "text", content: plain, start: plainStart });
  return pieces;
}

/** Index of the `}}` that closes the expression, or -1. */
function endOfExpression(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const character = text[at];
    if (character === '"' || character === "'") {
      at = endOfString(text, at, character);
      continue;
    }
    if (character === "/" && text[at + 1] === "/") {
      const newline = text.indexOf("\n", at);
      if (newline === -1) return -1;
      at = newline;
    } else if (character === "{") depth++;
    else if (character === "}") {
      if (depth > 0) depth--;
      else if (text[at + 1] === "}") return at;
      // A brace too many: the CEL parser says so, if the expression ends at all.
    }
    at++;
  }
  return -1;
}

/** CEL's strings, raw ones too: a backslash takes the next character with it, `"""` ends at `"""`. */
function endOfString(text: string, start: number, quote: string): number {
  const delimiter = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  let at = start + delimiter.length;
  while (at < text.length) {
    if (text[at] === "\\") at += 2;
    else if (text.startsWith(delimiter, at)) return at + delimiter.length;
    else at++;
  }
  return text.length;
}
