import { describe, expect, it } from "vitest";
import { constrainedParamsCharactersMax, constrainedParamsDepthMax } from "../../src/model/params-size.js";
import { parseConstraints } from "../../src/model/constraint/index.js";
import { compileParams } from "../../src/model/constraint/params.js";
import { InvalidConstraintError } from "../../src/model/errors.js";
import type { JsonObject, JsonValue } from "../../src/model/json.js";
import { refused } from "../model/fixtures/refused.js";
import { World } from "../model/fixtures/world.js";

/** The answer for parameters under a `params` or `when` of the one binding there is. */
function answerFor(constraints: object, params: JsonObject): string {
  const world = new World();
  world.issue("fs:read");
  world.bind("a", "fs:read", { constraints });
  return world.answer("fs:read:/x", { params }).replace(/-.*/, "");
}

const refusedSchema = (params: JsonValue) =>
  expect(
    refused(() => parseConstraints({ params }, "fs:read"), InvalidConstraintError, "invalid_constraint"),
  ).toMatchObject({
    constraint: "params",
  });

describe("schemas on parameters (K `params`)", () => {
  it("2020-12: what fits is allowed, what does not is constraint_violated", () => {
    const params = {
      type: "object",
      required: ["path"],
      properties: {
        path: { type: "string", pattern: "^/d/[a-z]+$" },
        tags: { prefixItems: [{ const: 1 }], items: false, minItems: 1 },
      },
      additionalProperties: false,
    };
    expect(answerFor({ params }, { path: "/d/x" })).toBe("bind");
    expect(answerFor({ params }, { path: "/d/x", tags: [1] })).toBe("bind");
    for (const wrong of [
      {},
      { path: "/d/x/../y" },
      { path: 7 },
      { path: "/d/x", more: 1 },
      { path: "/d/x", tags: [1, 2] },
    ]) {
      expect(answerFor({ params }, wrong)).toBe("constraint_violated");
    }
    expect(answerFor({ params: false }, {})).toBe("constraint_violated");
    expect(answerFor({ params: true }, {})).toBe("bind");
  });

  it("a property named like one of every object's own is a property", () => {
    expect(answerFor({ params: { required: ["toString"] } }, {})).toBe("constraint_violated");
    expect(answerFor({ params: { properties: { constructor: { const: 1 } } } }, {})).toBe("bind");
  });

  it("references inside the schema work; those that lead outside are refused (K1)", () => {
    const inside = { $ref: "#/$defs/a", $defs: { a: { required: ["n"] } } };
    expect(answerFor({ params: inside }, { n: 1 })).toBe("bind");
    expect(answerFor({ params: inside }, {})).toBe("constraint_violated");
    refusedSchema({ $ref: "https://evil.test/schema.json" });
    refusedSchema({ properties: { a: { allOf: [{ $ref: "file:///etc/passwd" }] } } });
    refusedSchema({ $dynamicRef: "other.json" });
    refusedSchema({ $schema: "https://evil.test/meta", type: "object" });
    refusedSchema({ $ref: "#/$defs/missing" });
  });

  it("a schema that leads back to itself works where it ends, and denies where it does not", () => {
    const tree = { required: ["n"], properties: { child: { $ref: "#" } } };
    expect(answerFor({ params: tree }, { n: 1, child: { n: 2, child: { n: 3 } } })).toBe("bind");
    expect(answerFor({ params: tree }, { n: 1, child: { n: 2, child: {} } })).toBe("constraint_violated");
    expect(answerFor({ params: { $ref: "#" } }, { n: 1 })).toBe("policy_error");
    expect(answerFor({ params: { anyOf: [{ $ref: "#" }] } }, { n: 1 })).toBe("policy_error");
    refusedSchema({ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } });
  });

  it("one schema finds nothing of another, whatever it calls itself", () => {
    const named = (schema: JsonObject) => ({ $id: "https://example.test/s", ...schema });
    const first = named({ $ref: "#/$defs/a", $defs: { a: { required: ["a"] } } });
    const second = named({ $ref: "#/$defs/a", $defs: { a: { required: ["b"] } } });
    for (let n = 0; n < 2; n++) {
      expect([answerFor({ params: first }, { a: 1 }), answerFor({ params: second }, { b: 1 })]).toEqual([
        "bind",
        "bind",
      ]);
      expect(answerFor({ params: second }, { a: 1 })).toBe("constraint_violated");
    }
    refusedSchema(named({ $ref: "#/$defs/a" }));
    refusedSchema({ $ref: "#/$defs/a" });
    refusedSchema({ $id: "https://json-schema.org/draft/2020-12/schema", type: "object" });
    refusedSchema({ type: "text" });
    expect(answerFor({ params: { type: "object", required: ["z"] } }, {})).toBe("constraint_violated");
  });

  it("each pattern of a schema is its own, on names and on values", () => {
    const params = {
      properties: { a: { pattern: "^a+$" }, b: { pattern: "^b+$" } },
      patternProperties: { "^x_": { pattern: "^c+$" } },
      propertyNames: { pattern: "^[a-z_]+$" },
    };
    expect(answerFor({ params }, { a: "aa", b: "bb", x_y: "cc" })).toBe("bind");
    for (const wrong of [{ a: "bb" }, { b: "aa" }, { x_y: "aa" }, { A: "aa" }, { a: "aa#" }]) {
      expect(answerFor({ params }, wrong)).toBe("constraint_violated");
    }
  });

  it.each<[string, JsonValue]>([
    ["a keyword that does not exist", { maximun: 3 }],
    ["a type that does not exist", { type: "text" }],
    [
      "a format that is not implemented: it would hold for everything",
      { properties: { u: { format: "uri" } } },
    ],
    ["a number", 7],
    ["a pattern that RE2 refuses: a backreference", { properties: { a: { pattern: "(a)\\1" } } }],
    ["a pattern that RE2 refuses: a lookahead", { properties: { a: { pattern: "(?=a)" } } }],
    ["a pattern of names that RE2 refuses", { patternProperties: { "(?<!a)b": true } }],
  ])("refused: %s", (_name, schema) => {
    refused(
      () => parseConstraints({ params: schema }, "fs:read"),
      InvalidConstraintError,
      "invalid_constraint",
    );
  });

  it("the size and the nesting of a schema are capped (K1)", () => {
    refusedSchema({ const: "x".repeat(64 * 1024) });
    let deep: JsonObject = {};
    for (let n = 0; n < 20; n++) deep = { properties: { a: deep } };
    refused(
      () => parseConstraints({ params: deep }, "fs:read"),
      InvalidConstraintError,
      "invalid_constraint",
    );
  });
});

describe("patterns run in linear time (K1)", () => {
  // On a backtracking engine each of these would not end before the sun does.
  it.each(["^(a+)+$", "^(a|a)*$", "^(.*a){30}$", "(a?){60}a{60}"])("%s", (pattern) => {
    const text = `${"a".repeat(60_000)}!`;
    expect(compileParams({ properties: { t: { pattern } } })({ t: text }) === undefined).toBe(
      pattern.startsWith("(a?)"),
    );
    expect(
      answerFor({ params: { patternProperties: { [pattern]: false } } }, { [text.slice(0, 5_000)]: 1 }),
    ).toMatch(/bind|constraint_violated/);
  });

  it("in `when` too", () => {
    expect(answerFor({ when: 'params.t.matches("^(a+)+$")' }, { t: `${"a".repeat(20_000)}!` })).toBe(
      "constraint_violated",
    );
    refused(
      () => parseConstraints({ when: 'params.t.matches("(a)\\\\1")' }, "fs:read"),
      InvalidConstraintError,
      "invalid_constraint",
    );
  });
});

describe("when (K): an error is a denial", () => {
  it.each<[string, JsonObject, string]>([
    ["params.n < 3", { n: 1 }, "bind"],
    ["params.n < 3", { n: 3 }, "constraint_violated"],
    ["params.n < 3", {}, "policy_error"],
    ["params.n < 3", { n: "1" }, "policy_error"],
    ["params.n", { n: 1 }, "policy_error"],
    ["params.n", { n: true }, "bind"],
    ["1 / params.n == 1", { n: 0 }, "policy_error"],
    ['agent == "a" && workflow == "w" && step == "s"', {}, "bind"],
    ['timestamp(now) == timestamp("2026-01-01T00:00:00Z")', {}, "bind"],
  ])("%s with %j: %s", (when, params, answer) => {
    expect(answerFor({ when }, params)).toBe(answer);
  });

  it("an error in one link does not hide a plain refusal by another (D2)", () => {
    const world = new World();
    world.issue("fs:read", { constraints: { when: "params.missing" } });
    world.bind("a", "fs:read", { constraints: { max_uses: 0 } });
    expect(world.answer("fs:read:/x")).toBe("uses_exhausted");
  });
});

describe("parameters that are looked at are bounded (K1)", () => {
  const nested = (depth: number): JsonObject => (depth <= 1 ? {} : { a: nested(depth - 1) });
  const sized = (characters: number): JsonObject => ({ t: "x".repeat(characters - '{"t":""}'.length) });

  it.each([{ params: true }, { when: "true" }])("by size and nesting, under %j", (constraints) => {
    expect(answerFor(constraints, nested(constrainedParamsDepthMax))).toBe("bind");
    expect(answerFor(constraints, nested(constrainedParamsDepthMax + 1))).toBe("constraint_violated");
    expect(answerFor(constraints, sized(constrainedParamsCharactersMax))).toBe("bind");
    expect(answerFor(constraints, sized(constrainedParamsCharactersMax + 1))).toBe("constraint_violated");
  });

  it("and free where no constraint looks at them", () => {
    expect(answerFor({ max_uses: 1 }, { ...sized(200_000), a: nested(60) })).toBe("bind");
  });

  it("the limits are those of K1", () => {
    expect([constrainedParamsCharactersMax, constrainedParamsDepthMax]).toEqual([64 * 1024, 32]);
  });
});
