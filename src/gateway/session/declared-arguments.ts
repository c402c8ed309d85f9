import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";

/**
 * An argument that the tool's schema, which is pinned, does not declare; undefined when there is none, or when the
 * schema leaves room for more. It is how a description talks a model into sending something along.
 */
export function undeclaredArgument(schema: JsonValue | undefined, args: JsonObject): string | undefined {
  if (!isJsonObject(schema)) return undefined;
  const { properties, additionalProperties } = schema;
  if (!isJsonObject(properties) || composing.some((keyword) => keyword in schema)) return undefined;
  if (additionalProperties !== undefined && additionalProperties !== false) return undefined;
  return Object.keys(args).find((name) => !Object.hasOwn(properties, name));
}

/** Keywords that may declare properties elsewhere in a schema (JSON Schema 2020-12). */
const composing = [
  "$ref",
  "$dynamicRef",
  "allOf",
  "anyOf",
  "oneOf",
  "if",
  "patternProperties",
  "dependentSchemas",
];
