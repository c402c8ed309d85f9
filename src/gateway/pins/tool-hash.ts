import { canonicalJson } from "../../model/canonical.js";
import type { JsonObject, JsonValue } from "../../model/json.js";
import { sha256Hex } from "../../model/sha256.js";

/** What a model and a person are told of a tool; all of it decides what they do with it. */
const members = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

/** The part of a tool's definition that is pinned. */
export function pinnedPart(tool: JsonObject): JsonObject {
  const part: { [member: string]: JsonValue } = {};
  for (const member of members) {
    const value = tool[member];
    if (value !== undefined) part[member] = value;
  }
  return part;
}

/** SHA-256 of its RFC 8785 form, hex. */
export function hashOfTool(part: JsonObject): string {
  return sha256Hex(canonicalJson(part));
}
