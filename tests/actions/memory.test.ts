import { describe, expect, test } from "vitest";
import { createMemoryHandle, memoryValueBytesMax } from "../../src/actions/handles/memory.js";
import type { MemorySpace } from "../../src/core/ports.js";
import type { JsonValue } from "../../src/model/json.js";
import {
  CapabilitySyntaxError,
  EffectDeniedError,
  EffectFailedError,
  InvalidDataError,
} from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { createTestGate } from "./test-gate.js";

function memoryWith(...grants: string[]) {
  const stored = new Map<string, JsonValue>();
  const space: MemorySpace = {
    get: (key) => Promise.resolve(stored.get(key)),
    set: (key, value) => Promise.resolve(void stored.set(key, value)),
  };
  const gate = createTestGate({ grants });
  return { memory: createMemoryHandle(gate, space), gate, stored };
}

describe("memory", () => {
  test("gives back what was set, null for what never was, and records both", async () => {
    const { memory, gate } = memoryWith("memory:read:notes/**", "memory:write:notes/**");
    expect(await memory.get("notes/a")).toEqual({ value: null });
    expect(await memory.set("notes/a", { n: 1 })).toEqual({ stored: true });
    expect(await memory.get("notes/a")).toEqual({ value: { n: 1 } });
    expect(gate.effects).toMatchObject([
      { kind: "memory.get", capabilities: ["memory:read:notes/a"], request: { key: "notes/a" } },
      {
        kind: "memory.set",
        capabilities: ["memory:write:notes/a"],
        request: { key: "notes/a", value: { n: 1 } },
      },
      { kind: "memory.get", outcome: "performed" },
    ]);
  });

  test("reading and writing are separate powers, and a key is not granted by its prefix", async () => {
    const { memory, stored } = memoryWith("memory:read:notes/**");
    await refusal(memory.set("notes/a", 1), EffectDeniedError, "outside_authority");
    await refusal(memory.get("notesx"), EffectDeniedError, "outside_authority");
    await refusal(memory.get("other/a"), EffectDeniedError, "outside_authority");
    expect(stored.size).toBe(0);
  });

  test("two spellings of one authority are one entry", async () => {
    const { memory, stored } = memoryWith("memory:read", "memory:write");
    await memory.set("caf\u00e9", 1);
    await memory.set("cafe\u0301", 2);
    expect(await memory.get("caf\u00e9")).toEqual({ value: 2 });
    expect(stored.size).toBe(1);
  });

  test("pattern characters in a key are literal", async () => {
    const { memory } = memoryWith("memory:read", "memory:write");
    await memory.set("a/*", 1);
    expect(await memory.get("a/b")).toEqual({ value: null });
    expect(await memory.get("a/*")).toEqual({ value: 1 });
  });

  test.each(["", "a//b", "a/../b", "a\0b", "\ud800", "a\nb"])(
    "a key that no capability can name: %j",
    async (key) => {
      const { memory, gate } = memoryWith("memory:read", "memory:write");
      await refusal(memory.get(key), CapabilitySyntaxError, "invalid_capability");
      await refusal(memory.set(key, 1), CapabilitySyntaxError, "invalid_capability");
      expect(gate.effects).toEqual([]);
    },
  );

  test.each([[7], [null], [["a"]], [{ toString: () => "notes/a" }]])(
    "a key that is no text: %j",
    async (key) => {
      const { memory } = memoryWith("memory:read", "memory:write");
      await refusal(memory.get(key as never), InvalidDataError, "invalid_data");
    },
  );

  test.each([
    ["a function", () => 1],
    ["NaN", Number.NaN],
    ["nothing", undefined],
    ["a cycle", Object.assign([] as unknown[], { 0: undefined })],
    ["a lone surrogate", "\ud800"],
    ["a date", new Date(0)],
  ])("a value that is not JSON: %s", async (name, value) => {
    if (name === "a cycle") (value as unknown[])[0] = value;
    const { memory, stored } = memoryWith("memory:write");
    await refusal(memory.set("a", value as never), InvalidDataError, "invalid_data");
    expect(stored.size).toBe(0);
  });

  test("a value is copied: what its owner changes later is not stored", async () => {
    const { memory } = memoryWith("memory:read", "memory:write");
    const value = { list: [1] };
    const setting = memory.set("a", value);
    value.list.push(2);
    await setting;
    value.list.push(3);
    expect(await memory.get("a")).toEqual({ value: { list: [1] } });
  });

  test("a value of exactly the limit is stored, one byte more is refused and not journalled", async () => {
    const { memory, gate, stored } = memoryWith("memory:write");
    await memory.set("a", "é".repeat(memoryValueBytesMax / 2 - 1));
    const attempt = memory.set("b", `${"é".repeat(memoryValueBytesMax / 2 - 1)}x`);
    await refusal(attempt, EffectFailedError, "too_large");
    expect([...stored.keys()]).toEqual(["a"]);
    expect(gate.effects).toHaveLength(1);
  });
});
