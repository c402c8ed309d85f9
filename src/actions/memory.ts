import { defineAction } from "../core/action.js";
import { capability } from "../model/capability/index.js";
import type { JsonObject, JsonValue } from "../model/json.js";

interface KeyParams extends JsonObject {
  readonly key: string;
}

interface SetParams extends KeyParams {
  readonly value: JsonValue;
}

const key = { type: "string", minLength: 1, maxLength: 1_024 };

/** The durable key-value space through the `memory` handle (SEMANTICS H5). */
export const memoryActions = Object.freeze({
  /** `{key}` gives `{value}`, null when it was never set. */
  get: defineAction<KeyParams>({
    name: "memory.get",
    params: { type: "object", properties: { key }, required: ["key"], additionalProperties: false },
    requires: (params) => capability("memory", "read", params.key),
    idempotent: true,
    replayable: true,
    run: (params, handles) => handles.memory.get(params.key),
  }),
  /** `{key, value}` gives `{stored: true}`. */
  set: defineAction<SetParams>({
    name: "memory.set",
    params: {
      type: "object",
      properties: { key, value: true },
      required: ["key", "value"],
      additionalProperties: false,
    },
    requires: (params) => capability("memory", "write", params.key),
    idempotent: true,
    replayable: true,
    run: (params, handles) => handles.memory.set(params.key, params.value),
  }),
});
