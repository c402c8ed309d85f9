/** Laws of what is mirrored into headers, and of states that go through a client's hands. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeaderValue, encodeHeaderValue } from "../../../src/gateway/protocol/header-value.js";
import {
  disagreeing,
  headersOf,
  mirroredArguments,
} from "../../../src/gateway/protocol/mirrored-arguments.js";
import type { RpcRequest } from "../../../src/gateway/protocol/json-rpc.js";
import { RequestStates } from "../../../src/gateway/session/request-state.js";
import type { JsonObject, JsonValue } from "../../../src/model/json.js";

const text = fc.string({
  unit: fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
    fc.constantFrom(" ", "\t", "\n", "ü", "=?base64?", "?="),
  ),
});

describe("a header value", () => {
  test("comes back as it was, and is what a header may hold", () => {
    fc.assert(
      fc.property(text, (value) => {
        const encoded = encodeHeaderValue(value);
        expect(encoded).toMatch(/^(?:[\x21-\x7e](?:[\x20\t\x21-\x7e]*[\x21-\x7e])?)?$/);
        // A lone surrogate is no text that UTF-8 has.
        if (value.isWellFormed()) expect(decodeHeaderValue(encoded)).toBe(value);
      }),
    );
  });

  test.each<[string, string]>([
    ["us-west1", "us-west1"],
    ["Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="],
    [" padded ", "=?base64?IHBhZGRlZCA=?="],
    ["line1\nline2", "=?base64?bGluZTEKbGluZTI=?="],
    ["=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="],
  ])("of the specification's examples: %s", (value, encoded) => {
    expect(encodeHeaderValue(value)).toBe(encoded);
    expect(decodeHeaderValue(encoded)).toBe(value);
  });

  test.each(["=?base64?a?=", "=?base64?////?=", "=?base64?=?="])("%s is none, or itself", (value) => {
    expect([undefined, value]).toContain(decodeHeaderValue(value));
  });
});

describe("arguments in headers", () => {
  const property = (type: string, name: string): JsonObject => ({ type, "x-mcp-header": name });
  const schema: JsonObject = {
    type: "object",
    properties: {
      region: property("string", "Region"),
      deep: {
        type: "object",
        properties: { count: property("integer", "Count"), fast: property("boolean", "Fast") },
      },
      free: { type: "string" },
    },
  };
  const mirrored = mirroredArguments(schema);
  if (typeof mirrored === "string") throw new Error(mirrored);
  const args = fc.record(
    {
      region: fc.oneof(
        text.filter((each) => each.isWellFormed()),
        fc.constant(null),
      ),
      deep: fc.record({ count: fc.maxSafeInteger(), fast: fc.boolean() }, { requiredKeys: [] }),
      free: fc.string(),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonObject>;

  test("what is made for a call agrees with it, and with no other", () => {
    fc.assert(
      fc.property(args, args, (one, other) => {
        const headers = new Map(Object.entries(headersOf(mirrored, one)));
        expect(disagreeing(mirrored, one, headers)).toBeUndefined();
        const isSame =
          JSON.stringify([...headers]) === JSON.stringify(Object.entries(headersOf(mirrored, other)));
        expect(disagreeing(mirrored, other, headers) === undefined).toBe(isSame);
      }),
    );
  });

  test("whole numbers are compared as numbers, and nothing else is", () => {
    const headers = new Map([["mcp-param-count", "42.0"]]);
    expect(disagreeing(mirrored, { deep: { count: 42 } }, headers)).toBeUndefined();
    expect(disagreeing(mirrored, { deep: { count: 43 } }, headers)).toBe("mcp-param-count");
    expect(disagreeing(mirrored, { region: "42" }, new Map([["mcp-param-region", "42.0"]]))).toBe(
      "mcp-param-region",
    );
    expect(disagreeing(mirrored, {}, new Map([["mcp-param-region", "x"]]))).toBe("mcp-param-region");
    expect(disagreeing(mirrored, { region: null }, new Map())).toBeUndefined();
  });

  test.each<[string, JsonValue]>([
    ["at the root", { "x-mcp-header": "A", type: "string" }],
    ["empty", { properties: { a: property("string", "") } }],
    ["no token", { properties: { a: property("string", "a b") } }],
    ["a line break", { properties: { a: property("string", "a\r\nb") } }],
    ["for a number", { properties: { a: property("number", "A") } }],
    ["for an object", { properties: { a: property("object", "A") } }],
    ["without a type", { properties: { a: { "x-mcp-header": "A" } } }],
    ["twice", { properties: { a: property("string", "A"), b: property("string", "a") } }],
    ["in a list", { properties: { a: { type: "array", items: property("string", "A") } } }],
    ["in an alternative", { anyOf: [{ properties: { a: property("string", "A") } }] }],
    ["in a definition", { $defs: { a: property("string", "A") } }],
  ])("%s: the tool is not one that can be called", (_, broken) => {
    expect(typeof mirroredArguments(broken)).toBe("string");
  });

  test("the word in an example, or as the name of a property, means nothing", () => {
    expect(mirroredArguments({ examples: [{ "x-mcp-header": "A" }] })).toEqual([]);
    expect(mirroredArguments({ properties: { "x-mcp-header": { type: "string" } } })).toEqual([]);
  });
});

describe("a state", () => {
  const states = new RequestStates(Buffer.alloc(32, 7), () => 0);
  const request = (params: JsonObject): RpcRequest => ({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params,
  });
  const pending = { agentId: "a", server: "s", questions: new Map([["k", "roots/list"]]), state: "x.y" };

  test("opens for the same request, whatever comes along with it and in whatever order, and for no other", () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(json, json, (one, other) => {
        const sealed = states.seal(request({ name: "t", arguments: one }), pending);
        const again = request({
          arguments: one,
          name: "t",
          _meta: other,
          inputResponses: other,
          requestState: sealed,
        });
        expect(states.open(again, "a", sealed)).toEqual(pending);
        expect(states.open(again, "b", sealed)).toBeUndefined();
        expect(states.open(request({ name: "u", arguments: one }), "a", sealed)).toBeUndefined();
      }),
    );
  });

  test("does not open when any of its characters is another one", () => {
    const sealed = states.seal(request({ name: "t" }), pending);
    for (let at = 0; at < sealed.length; at++) {
      const flipped = sealed.slice(0, at) + (sealed[at] === "x" ? "y" : "x") + sealed.slice(at + 1);
      expect(states.open(request({ name: "t" }), "a", flipped)?.state).not.toBe("x");
      if (at < sealed.length - 1) expect(states.open(request({ name: "t" }), "a", flipped)).toBeUndefined();
    }
    for (const none of ["", ".", "a.b.c", sealed.split(".")[0] ?? ""])
      expect(states.open(request({ name: "t" }), "a", none)).toBeUndefined();
  });
});
