import { canonicalJson } from "./canonical.js";
import { isJsonArray, isJsonObject, type JsonValue } from "./json.js";

/** Largest canonical parameters that `params` and `when` look at, in characters and nesting (SEMANTICS K1). */
export const constrainedParamsCharactersMax = 64 * 1024;
export const constrainedParamsDepthMax = 32;

/** Whether parameters are more than a constraint looks at. */
export function isTooLarge(params: JsonValue): boolean {
  const characters = charactersAtMost(params, constrainedParamsDepthMax);
  if (Number.isNaN(characters)) return true;
  // Nearly all are small, and to know that they need not be written out.
  if (characters <= constrainedParamsCharactersMax) return false;
  return canonicalJson(params).length > constrainedParamsCharactersMax;
}

/**
 * No fewer characters than the canonical text has: each unit of a string may become an escape of six.
 * @param levels how deep the value may be nested; NaN when it is deeper, whatever else is in it.
 */
function charactersAtMost(value: JsonValue, levels: number): number {
  if (typeof value === "string") return value.isWellFormed() ? 6 * value.length + 2 : Infinity;
  // A number has 24 at most: -1.2345678901234567e-300. What has no canonical text is left to fail there.
  if (typeof value === "number") return Number.isFinite(value) ? 24 : Infinity;
  if (!isJsonArray(value) && !isJsonObject(value)) return 5;
  if (levels === 0) return Number.NaN;
  let characters = 2;
  if (isJsonArray(value)) {
    for (const member of value) characters += charactersAtMost(member, levels - 1) + 1;
    return characters;
  }
  for (const key of Object.keys(value)) {
    characters += charactersAtMost(key, levels) + 2 + charactersAtMost(value[key] as JsonValue, levels - 1);
  }
  return characters;
}
