import { canonicalJson } from "./canonical.js";
import { isJsonArray, isJsonObject, type JsonValue } from "./json.js";

/** Largest canonical parameters that `params` and `when` look at, in characters and nesting (SEMANTICS K1). */
export const constrainedParamsCharactersMax = 64 * 1024;
export const constrainedParamsDepthMax = 32;

/** Whether parameters are more than a constraint looks at. */
export function isTooLarge(params: JsonValue): boolean {
  if (depthOf(params) > constrainedParamsDepthMax) return true;
  // Nearly all are small, and to know that they need not be written out.
  if (charactersAtMost(params) <= constrainedParamsCharactersMax) return false;
  return canonicalJson(params).length > constrainedParamsCharactersMax;
}

function depthOf(value: JsonValue): number {
  if (!isJsonArray(value) && !isJsonObject(value)) return 0;
  let deepest = 0;
  for (const member of isJsonArray(value) ? value : Object.values(value))
    deepest = Math.max(deepest, depthOf(member));
  return deepest + 1;
}

/** No fewer characters than the canonical text has: each unit of a string may become an escape of six. */
function charactersAtMost(value: JsonValue): number {
  if (typeof value === "string") return value.isWellFormed() ? 6 * value.length + 2 : Infinity;
  // A number has 24 at most: -1.2345678901234567e-300. What has no canonical text is left to fail there.
  if (typeof value === "number") return Number.isFinite(value) ? 24 : Infinity;
  if (!isJsonArray(value) && !isJsonObject(value)) return 5;
  let characters = 2;
  if (isJsonArray(value)) {
    for (const member of value) characters += charactersAtMost(member) + 1;
    return characters;
  }
  for (const key of Object.keys(value)) {
    characters += charactersAtMost(key) + 2 + charactersAtMost(value[key] as JsonValue);
  }
  return characters;
}
