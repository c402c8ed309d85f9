import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/model/canonical.js";
import type { JsonValue } from "../../src/model/json.js";
import { constrainedParamsCharactersMax, isTooLarge } from "../../src/model/params-size.js";

const isTooLong = (value: JsonValue): boolean => canonicalJson(value).length > constrainedParamsCharactersMax;

describe("parameters are too large exactly when their canonical text is (K1)", () => {
  const leaf = fc.constantFrom<JsonValue>(
    -1.2345678901234567e-300,
    0,
    true,
    null,
    "\u0000\u0001",
    '""""',
    "text",
    "é",
  );
  const part = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", '"', "\n", "long"), leaf),
  );

  it("on any values, repeated to just about the limit", () => {
    let large = 0;
    fc.assert(
      fc.property(part, fc.double({ min: 0.9, max: 1.1, noNaN: true }), (value, share) => {
        const each = canonicalJson(value).length + 1;
        const list = Array.from(
          { length: Math.floor((constrainedParamsCharactersMax * share) / each) },
          () => value,
        );
        if (isTooLong(list)) large++;
        expect(isTooLarge(list)).toBe(isTooLong(list));
      }),
      { numRuns: 60, seed: 3 },
    );
    expect(large).toBeGreaterThan(10);
  });

  it.each([-1.2345678901234567e-300, true, null, "\u0000\u0001", "text", { "\n": 1 }, [], {}])(
    "a list of %j, a little shorter and a little longer than that",
    (value) => {
      const each = canonicalJson(value).length + 1;
      for (const share of [0.99, 1.01]) {
        const list = Array.from(
          { length: Math.floor((constrainedParamsCharactersMax * share) / each) },
          () => value,
        );
        expect([share, isTooLarge(list)]).toEqual([share, share > 1]);
      }
    },
  );

  it("what has no canonical text is not passed over as small", () => {
    expect(() => isTooLarge("\ud800")).toThrow();
    expect(() => isTooLarge([Number.NaN])).toThrow();
  });
});
