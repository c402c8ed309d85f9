/** JSON values as they stand in memory after they were copied: frozen, plain, no getters, no cycles. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/**
 * As `textMember`, of a value that was read already: where millions of events are read, each member has a place of its own
 * in the program, which is much faster than one place for all.
 * @throws TypeError when it is no text.
 */
export function asText(value: JsonValue | undefined, key: string): string {
  if (typeof value !== "string") throw new TypeError(`an event lacks \`${key}\``);
  return value;
}
