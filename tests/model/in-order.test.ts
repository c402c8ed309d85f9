import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frozenJson } from "../../src/model/copy-json.js";
import { canonicalJson } from "../../src/model/canonical.js";
import { inOrder } from "../../src/model/in-order.js";
import type { JsonValue } from "../../src/model/json.js";

/** The slow second opinion: written out and read back. */
const readBack = (value: JsonValue) => frozenJson(JSON.parse(canonicalJson(value)) as JsonValue);

const isFrozen = (value: unknown): boolean =>
  typeof value !== "object" ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(isFrozen));

describe("a value in the order of its canonical form", () => {
  it("is what would be read from that form", () => {
    const keys = fc.oneof(
      fc.string(),
      fc.constantFrom("__proto__", "10", "9", "constructor", "a", "b", "ä", "😀"),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.jsonValue(),
        fc.constantFrom(-0, undefined, 1e21, 0.1),
        fc.array(tie("value")),
        fc.array(fc.tuple(keys, tie("value"))).map((members) => Object.fromEntries(members)),
      ),
    }));
    fc.assert(
      fc.property(value, (value) => {
        fc.pre(value !== undefined);
        const copy = inOrder(value as JsonValue);
        const expected = readBack(value as JsonValue);
        expect(copy).toEqual(expected);
        // The order in which members are met counts too.
        expect(JSON.stringify(copy)).toBe(JSON.stringify(expected));
        expect(canonicalJson(copy)).toBe(canonicalJson(value as JsonValue));
        expect(isFrozen(copy)).toBe(true);
      }),
    );
  });

  it("what has no canonical form has none afterwards", () => {
    for (const odd of [NaN, [Infinity], { a: "\ud800" }, { a: () => 1 }, { "\udc00": 1 }, undefined, 1n])
      expect(() => canonicalJson(inOrder(odd as JsonValue))).toThrow(TypeError);
  });

  it("a member is read once, so what is copied is what is recorded", () => {
    let reads = 0;
    const value = Object.defineProperty({}, "a", { enumerable: true, get: () => ++reads });
    expect(inOrder(value)).toEqual({ a: 1 });
    expect(reads).toBe(1);
  });
});
