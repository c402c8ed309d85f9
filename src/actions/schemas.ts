import type { JsonObject } from "../model/json.js";

/** Bytes inside JSON (SEMANTICS G4). */
export const bytesSchema: JsonObject = {
  type: "object",
  properties: { $bytes: { type: "string", pattern: "^[A-Za-z0-9+/]*={0,2}$" } },
  required: ["$bytes"],
  additionalProperties: false,
};
