import type { EffectGate, MemoryHandle, MemorySpace } from "../../core/ports.js";
import { capability } from "../../model/capability/index.js";
import { copyJson } from "../../model/copy-json.js";
import { EffectFailedError, InvalidDataError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";

/** Most bytes of one value, as JSON in UTF-8. */
export const memoryValueBytesMax = 1024 * 1024;

/**
 * The `memory` powers of one step (SEMANTICS H5).
 *
 * A key is stored under the resource of the capability that it takes: two spellings that are one
 * authority (NFC and NFD, C5) are one entry. Throws, besides what the gate throws: CapabilitySyntaxError
 * for a key that is none, InvalidDataError for a value that is not JSON, EffectFailedError `too_large`.
 */
export function createMemoryHandle(gate: EffectGate, space: MemorySpace): MemoryHandle {
  return Object.freeze({
    async get(key: unknown) {
      const { text, resource } = keyCapability("read", key);
      return gate.perform(
        { kind: "memory.get", capabilities: [text], request: { key: resource } },
        async () => {
          return { value: (await space.get(resource)) ?? null };
        },
      );
    },

    async set(key: unknown, value: unknown) {
      const { text, resource } = keyCapability("write", key);
      const copy = copyValue(value);
      const request = { key: resource, value: copy };
      return gate.perform({ kind: "memory.set", capabilities: [text], request }, async () => {
        await space.set(resource, copy, gate.agentId);
        return { stored: true } as const;
      });
    },
  });
}

function keyCapability(action: "read" | "write", key: unknown): { text: string; resource: string } {
  if (typeof key !== "string") throw new InvalidDataError("key", "`key` is not text");
  const text = capability("memory", action, key);
  return { text, resource: text.slice(`memory:${action}:`.length) };
}

/** Bounded before it is journalled: what is refused for its size must not fill the journal instead. */
function copyValue(value: unknown): JsonValue {
  const copy = copyJson(value);
  if (Buffer.byteLength(JSON.stringify(copy), "utf8") > memoryValueBytesMax) {
    throw new EffectFailedError("too_large", `a value of memory is over ${memoryValueBytesMax} bytes`);
  }
  return copy;
}
