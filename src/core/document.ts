import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
} from "yaml";
import { copyJson } from "../model/copy-json.js";
import { DocumentError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";

export type DocumentCode = "invalid_workflow" | "invalid_policy" | "invalid_cases" | "invalid_gateway_config";
export type DocumentPath = readonly (string | number)[];

/** 1-based; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * A document that a person wrote, as plain frozen JSON, with the place of every part of it. Offsets are
 * 0-based UTF-16 indexes into the text; they order problems as a reader meets them.
 */
export interface SourceDocument {
  readonly file: string;
  readonly value: JsonValue;
  /** Of the value at `path`; of the nearest part above it when there is none. */
  offsetOf(path: DocumentPath): number;
  /** Where the value at `path` ends. */
  endOffsetOf(path: DocumentPath): number;
  /** Of the key that names the value at `path`; for list elements that of the element. */
  keyOffsetOf(path: DocumentPath): number;
  /** Of character `index` of the string at `path`; of its start when escapes or folding hide it. */
  textOffsetOf(path: DocumentPath, index: number): number;
  positionAt(offset: number): Position;
  errorAt(offset: number, message: string, hint?: string): DocumentError;
}

const charactersMax = 1024 * 1024;
const nodesMax = 50_000;
const aliasesMax = 100;
const depthMax = 64;

/**
 * Reads YAML 1.2 (JSON is a subset). Refused: syntax errors, duplicate keys, several documents, directives,
 * unknown tags, keys that are not strings, the key `__proto__`, numbers that JSON does not have, lone
 * surrogates, and what grows when it is read: more than 1 MiB, 50,000 values (those of aliases counted
 * each time), 100 aliases, 64 levels.
 *
 * @throws DocumentError with the given code, at the first problem.
 */
export function readDocument(text: string, file: string, code: DocumentCode): SourceDocument {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const errorAt = (offset: number, message: string, hint?: string): DocumentError => {
    const { line, column } = positionAt(offset);
    return new DocumentError(code, file, line, column, message, hint);
  };
  if (text.length > charactersMax) throw errorAt(0, `the file is larger than ${charactersMax} characters`);
  const document = parseYaml(text, lines, errorAt);
  const root = new Reader(document, errorAt).read(document.contents, 0);
  return Object.freeze({
    file,
    value: root.value,
    offsetOf: (path: DocumentPath) => find(root, path).offset,
    endOffsetOf: (path: DocumentPath) => find(root, path).endOffset,
    keyOffsetOf: (path: DocumentPath) => find(root, path).keyOffset,
    textOffsetOf: (path: DocumentPath, index: number) => textOffset(text, find(root, path), index),
    positionAt,
    errorAt,
  });
}

/**
 * A document that was recorded as plain data: everything stands at line 1, column 1.
 *
 * @throws InvalidDataError when it is not plain JSON data.
 */
export function documentFromJson(json: unknown, name: string, code: DocumentCode): SourceDocument {
  const value = copyJson(json, { depth: depthMax, values: nodesMax, characters: charactersMax });
  return Object.freeze({
    file: name,
    value,
    offsetOf: () => 0,
    endOffsetOf: () => 0,
    keyOffsetOf: () => 0,
    textOffsetOf: () => 0,
    positionAt: () => Object.freeze({ line: 1, column: 1 }),
    errorAt: (_: number, message: string, hint?: string) =>
      new DocumentError(code, name, 1, 1, message, hint),
  });
}

type ErrorAt = SourceDocument["errorAt"];

function parseYaml(text: string, lineCounter: LineCounter, errorAt: ErrorAt): Document.Parsed {
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: "1.2",
      schema: "core",
      stringKeys: true,
      // The parser's own check compares every key with every other; the reader below keeps a map instead.
      uniqueKeys: false,
      prettyErrors: false,
      lineCounter,
    });
  } catch (error) {
    // The parser recurses; a bomb of brackets ends in the engine's stack limit.
    if (error instanceof RangeError) throw errorAt(0, "the document is nested too deeply");
    throw error;
  }
  const problems = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  const [first] = problems;
  if (first !== undefined)
    throw errorAt(first.pos[0], explain(first.code, first.message), hintFor(first.code));
  // `%YAML 1.1` would turn `no` and `on` into booleans.
  if (document.directives.yaml.explicit === true) throw errorAt(0, "a %YAML directive is not allowed");
  return document;
}

function explain(code: string, message: string): string {
  if (code === "RESOURCE_EXHAUSTION") return "the document is nested too deeply";
  if (code === "MULTIPLE_DOCS") return "the file holds more than one document";
  return `the document is not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** What to look at, for the mistakes that people make most. */
function hintFor(code: string): string | undefined {
  switch (code) {
    case "RESOURCE_EXHAUSTION":
      return undefined;
    case "MULTIPLE_DOCS":
      return "put what follows `---` into a file of its own";
    case "TAB_AS_INDENT":
      return "indent with spaces";
    default:
      return "look at the indentation, brackets and quotes here and on the line before; text with `: ` or ` #` needs quotes";
  }
}

interface Part {
  readonly value: JsonValue;
  readonly offset: number;
  readonly keyOffset: number;
  readonly endOffset: number;
  readonly children: ReadonlyMap<string | number, Part>;
  readonly scalarType: string | undefined;
}

const noChildren: ReadonlyMap<string | number, Part> = new Map();

class Reader {
  #nodes = 0;
  #aliases = 0;

  constructor(
    private readonly document: Document.Parsed,
    private readonly errorAt: ErrorAt,
  ) {}

  read(node: unknown, depth: number, keyOffset?: number): Part {
    if (isAlias(node)) {
      const offset = startOf(node);
      if (++this.#aliases > aliasesMax)
        throw this.errorAt(offset, `the document uses more than ${aliasesMax} aliases`);
      const target = node.resolve(this.document);
      if (target === undefined)
        throw this.errorAt(offset, `there is no anchor \`${node.source}\` before this alias`);
      return this.read(target, depth + 1, keyOffset ?? offset);
    }
    const offset = startOf(node);
    const endOffset = isNode(node) ? (node.range?.[1] ?? offset) : offset;
    const place = { offset, keyOffset: keyOffset ?? offset, endOffset };
    if (++this.#nodes > nodesMax)
      throw this.errorAt(offset, `the document holds more than ${nodesMax} values`);
    if (depth > depthMax)
      throw this.errorAt(offset, `the document is nested more than ${depthMax} levels deep`);
    if (isMap(node)) return this.readMap(node.items, place, depth);
    if (isSeq(node)) {
      const parts = node.items.map((item) => this.read(item, depth + 1));
      const children = new Map(parts.map((part, index) => [index, part] as const));
      return {
        ...place,
        value: Object.freeze(parts.map((part) => part.value)),
        children,
        scalarType: undefined,
      };
    }
    const value = isScalar(node) ? node.value : null;
    this.checkScalar(value, offset);
    return {
      ...place,
      value,
      children: noChildren,
      scalarType: isScalar(node) ? (node.type ?? undefined) : undefined,
    };
  }

  private readMap(
    items: readonly { readonly key: unknown; readonly value: unknown }[],
    place: Pick<Part, "offset" | "keyOffset" | "endOffset">,
    depth: number,
  ): Part {
    const children = new Map<string | number, Part>();
    for (const pair of items) {
      const key: unknown = isScalar(pair.key) ? pair.key.value : undefined;
      const keyOffset = startOf(pair.key);
      if (typeof key !== "string") throw this.errorAt(keyOffset, "a key must be a plain string");
      this.checkScalar(key, keyOffset);
      // As data it is an attack on whoever merges it later; nothing legitimate needs it.
      if (key === "__proto__") throw this.errorAt(keyOffset, "the key `__proto__` is not allowed");
      if (children.has(key)) throw this.errorAt(keyOffset, `the key \`${key}\` stands twice in this map`);
      children.set(key, this.read(pair.value, depth + 1, keyOffset));
    }
    const value: JsonObject = Object.fromEntries(
      [...children].map(([key, part]) => [String(key), part.value]),
    );
    return { ...place, value: Object.freeze(value), children, scalarType: undefined };
  }

  private checkScalar(value: unknown, offset: number): asserts value is string | number | boolean | null {
    if (typeof value === "string") {
      if (value.isWellFormed()) return;
      throw this.errorAt(offset, "the text holds a lone surrogate");
    }
    if (typeof value === "number") {
      if (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)) return;
      throw this.errorAt(offset, "the number has no exact JSON form", "write it as text, in quotes");
    }
    if (typeof value !== "boolean" && value !== null)
      throw this.errorAt(offset, "the value is not JSON data");
  }
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function find(root: Part, path: DocumentPath): Part {
  let part = root;
  for (const segment of path) {
    const child = part.children.get(segment);
    if (child === undefined) return part;
    part = child;
  }
  return part;
}

function textOffset(text: string, part: Part, index: number): number {
  const { value, offset, scalarType } = part;
  if (typeof value !== "string") return offset;
  const before = value.slice(0, index);
  if (scalarType === Scalar.BLOCK_LITERAL) return blockOffset(text, offset, before, value.split("\n"));
  const start = scalarType === Scalar.PLAIN ? offset : offset + 1;
  return text.slice(start, start + index) === before ? start + index : offset;
}

/** In a literal block each line of the value is a line of the text after its indentation. */
function blockOffset(text: string, offset: number, before: string, valueLines: readonly string[]): number {
  const row = before.split("\n").length - 1;
  let lineStart = offset;
  for (let line = 0; line <= row; line++) {
    const newline = text.indexOf("\n", lineStart);
    if (newline === -1) return offset;
    lineStart = newline + 1;
  }
  const lineEnd = text.indexOf("\n", lineStart);
  const line = text.slice(lineStart, lineEnd === -1 ? undefined : lineEnd).replace(/\r$/, "");
  const valueLine = valueLines[row] ?? "";
  if (!line.endsWith(valueLine)) return offset;
  return lineStart + line.length - valueLine.length + before.length - (before.lastIndexOf("\n") + 1);
}
