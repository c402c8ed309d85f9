import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { decodeHeaderValue, encodeHeaderValue } from "./header-value.js";

/** An argument that a tool wants to see in a header as well (MCP 2026-07-28, streamable HTTP, `x-mcp-header`). */
export interface MirroredArgument {
  /** Members from the arguments down to it. */
  readonly path: readonly string[];
  /** Lower case, as Node has it: `mcp-param-region`. */
  readonly header: string;
  readonly type: "string" | "integer" | "boolean";
}

const keyword = "x-mcp-header";
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const types = ["string", "integer", "boolean"];
/** A schema is an author's to write, and ours to walk: what nests deeper is not walked, and so not taken. */
const depthMax = 64;

/** A schema is asked about with each call, and walked once. */
const known = new WeakMap<JsonObject, readonly MirroredArgument[] | string>();

/** @returns what is wrong with the schema, as text, when it breaks the rules for these headers. */
export function mirroredArguments(schema: JsonValue | undefined): readonly MirroredArgument[] | string {
  if (!isJsonObject(schema)) return [];
  const before = known.get(schema);
  if (before !== undefined) return before;
  const found = findMirrored(schema);
  known.set(schema, found);
  return found;
}

function findMirrored(schema: JsonObject): readonly MirroredArgument[] | string {
  const found: MirroredArgument[] = [];
  const fault = walk(schema, [], found);
  if (fault !== undefined) return fault;
  const names = new Set(found.map(({ header }) => header));
  return names.size === found.length ? found : `two of its \`${keyword}\` are the same`;
}

/** Only what is reached by `properties` alone may be mirrored; the keyword anywhere else spoils the tool. */
function walk(
  node: JsonValue | undefined,
  path: readonly string[],
  found: MirroredArgument[],
): string | undefined {
  if (!isJsonObject(node)) return undefined;
  if (path.length > depthMax) return "its schema nests too deeply";
  if (Object.hasOwn(node, keyword)) {
    const { [keyword]: name, type } = node;
    if (path.length === 0) return `\`${keyword}\` stands at the root`;
    if (typeof name !== "string" || !token.test(name)) return `an \`${keyword}\` is no name of a header`;
    if (typeof type !== "string" || !types.includes(type))
      return `\`${keyword}\` is for text, whole numbers and booleans`;
    found.push({ path, header: `mcp-param-${name.toLowerCase()}`, type: type as MirroredArgument["type"] });
  }
  for (const [member, value] of Object.entries(node)) {
    if (member === "properties" && isJsonObject(value)) {
      for (const [name, property] of Object.entries(value)) {
        const fault = walk(property, [...path, name], found);
        if (fault !== undefined) return fault;
      }
    } else if (annotates.includes(member) && hasKeyword(value, 0)) {
      return `\`${keyword}\` stands below \`${member}\``;
    }
  }
  return undefined;
}

/** Keywords with schemas below them; `examples`, `default`, `const` and `enum` hold values, in which it means nothing. */
const annotates = [
  "items",
  "prefixItems",
  "contains",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "propertyNames",
  "patternProperties",
  "dependentSchemas",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "if",
  "then",
  "else",
  "$defs",
  "definitions",
];

function hasKeyword(value: JsonValue, depth: number): boolean {
  if (depth > depthMax) return true;
  if (isJsonArray(value)) return value.some((each) => hasKeyword(each, depth + 1));
  if (!isJsonObject(value)) return false;
  return Object.hasOwn(value, keyword) || Object.values(value).some((each) => hasKeyword(each, depth + 1));
}

/** The headers of a call with these arguments. */
export function headersOf(mirrored: readonly MirroredArgument[], args: JsonObject): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of mirrored) {
    const text = textOf(valueAt(args, path));
    if (text !== undefined) headers[header] = encodeHeaderValue(text);
  }
  return headers;
}

/**
 * A header that says other than the arguments do: what stands between client and gateway may have been told one thing
 * and the server another. Undefined: all agree.
 */
export function disagreeing(
  mirrored: readonly MirroredArgument[],
  args: JsonObject,
  headers: ReadonlyMap<string, string>,
): string | undefined {
  for (const { path, header, type } of mirrored) {
    const given = headers.get(header);
    const text = textOf(valueAt(args, path));
    if (text === undefined && given === undefined) continue;
    const decoded = given === undefined ? undefined : decodeHeaderValue(given);
    if (text === undefined || decoded === undefined) return header;
    if (decoded === text) continue;
    const isSameNumber =
      type === "integer" && /^-?\d+(\.\d+)?$/.test(decoded) && Number(decoded) === Number(text);
    if (!isSameNumber) return header;
  }
  return undefined;
}

function valueAt(args: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = args;
  for (const member of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, member)) return undefined;
    value = value[member];
  }
  return value;
}

/** Undefined: it is not there, or is none of the types that are mirrored. */
function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "true" : "false";
  return typeof value === "number" && Number.isSafeInteger(value) ? String(value) : undefined;
}
