import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { DocumentError } from "../../model/errors.js";

/** One `"key": value` of an object, or one element of a list. Offsets are 0-based UTF-16 indexes, ends exclusive. */
export interface Part {
  /** The key as it is meant; empty for list elements. */
  readonly key: string;
  /** Of the key; of the value for list elements. */
  readonly start: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly end: number;
  /** What the value holds, in order; undefined for values that hold nothing. */
  readonly parts: readonly Part[] | undefined;
  readonly type: "object" | "array" | "string" | "number" | "boolean" | "null";
  /** The text of a string; undefined for everything else. */
  readonly string: string | undefined;
}

/** A client's configuration: JSON with comments and trailing commas, and where everything in it stands. */
export interface ConfigText {
  readonly file: string;
  readonly text: string;
  readonly root: Part;
  errorAt(offset: number, message: string, hint?: string): DocumentError;
}

/**
 * Reads a client's configuration. Comments and trailing commas are fine, since VS Code and Cursor have them.
 *
 * @param text without a byte order mark.
 * @param file as the person named it, for errors.
 * @throws DocumentError `invalid_client_config` at the first mistake.
 */
export function readConfigText(text: string, file: string): ConfigText {
  const errorAt = (offset: number, message: string, hint?: string): DocumentError => {
    const { line, column } = positionAt(text, offset);
    return new DocumentError("invalid_client_config", file, line, column, message, hint);
  };
  const errors: ParseError[] = [];
  let tree: Node | undefined;
  try {
    tree = parseTree(text, errors, { allowTrailingComma: true });
    const [first] = errors;
    if (first !== undefined)
      throw errorAt(first.offset, `this is not JSON: ${wordsOf(first)}`, nothingWritten);
    if (tree?.type !== "object")
      throw errorAt(tree?.offset ?? 0, "a client's configuration is a JSON object", nothingWritten);
    return Object.freeze({ file, text, root: partOf(tree), errorAt });
  } catch (error) {
    // The parser recurses; a bomb of brackets ends in the engine's stack limit.
    if (error instanceof RangeError) throw errorAt(0, "the file is nested too deeply");
    throw error;
  }
}

const nothingWritten = "nothing was written; mend the file first";

/**
 * The member of that name, if the part is an object that has it.
 *
 * @throws DocumentError `invalid_client_config` when the name stands twice: which of them a client takes is up to
 * the client, and wrapping the other one would leave a server unguarded.
 */
export function memberOf(config: ConfigText, part: Part | undefined, key: string): Part | undefined {
  if (part?.type !== "object") return undefined;
  const [found, again] = (part.parts ?? []).filter((member) => member.key === key);
  if (again !== undefined)
    throw config.errorAt(again.start, `the key \`${key}\` stands twice in this object`, nothingWritten);
  return found;
}

/** The text of a value, as it is written. */
export function rawValue({ text }: ConfigText, part: Part): string {
  return text.slice(part.valueStart, part.end);
}

function partOf(node: Node, property?: { readonly key: Node }): Part {
  const end = node.offset + node.length;
  const start = property?.key.offset ?? node.offset;
  return Object.freeze({
    key: property === undefined ? "" : String(property.key.value),
    start,
    keyEnd: property === undefined ? start : start + property.key.length,
    valueStart: node.offset,
    end,
    parts: partsOf(node),
    type: node.type === "property" ? "null" : node.type,
    string: node.type === "string" ? String(node.value) : undefined,
  });
}

function partsOf(node: Node): readonly Part[] | undefined {
  if (node.type === "array") return Object.freeze((node.children ?? []).map((child) => partOf(child)));
  if (node.type !== "object") return undefined;
  const members = (node.children ?? []).flatMap(({ children }) => {
    const [key, value] = children ?? [];
    return key === undefined || value === undefined ? [] : [partOf(value, { key })];
  });
  return Object.freeze(members);
}

/** 1-based. Lines end as editors count them: `\n`, `\r\n` and `\r`. */
function positionAt(text: string, offset: number): { readonly line: number; readonly column: number } {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}

/** `CommaExpected` → `comma expected`. */
function wordsOf({ error }: ParseError): string {
  return printParseErrorCode(error)
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}
