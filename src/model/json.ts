/** JSON values as they stand in memory after they were copied: frozen, plain, no getters, no cycles. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}
