import { evaluate as libraryEvaluate } from "@marcbachmann/cel-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileCel } from "../../src/model/cel.js";
import { ExpressionError } from "../../src/model/errors.js";
import type { JsonValue } from "../../src/model/json.js";

const names = ["inputs", "steps", "run"];

function evaluate(source: string, context: Record<string, JsonValue> = {}): JsonValue {
  return compileCel(source, names).evaluate({ inputs: {}, steps: {}, run: {}, ...context });
}

function refusal(run: () => unknown): {
  code: string;
  offset: number;
  message: string;
  hint: string | undefined;
} {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ExpressionError);
    const { code, offset, message, hint } = error as ExpressionError;
    return { code, offset, message, hint };
  }
  throw new Error("nothing was thrown");
}

describe("values", () => {
  const inputs = {
    n: 2,
    ratio: 1,
    half: 0.5,
    text: "añ😀",
    list: [1, 2, 3],
    on: true,
    none: null,
    map: { a: 1, "b-c": 2 },
  };

  it.each<[string, JsonValue]>([
    ["inputs.n + 1 == 3", true],
    ["inputs.n == 2 && inputs.n == 2.0 && inputs.n < 2.5", true],
    ["inputs.n * inputs.n", 4],
    ["7 / 2", 3],
    ["-7 % 3", -1],
    ["inputs.ratio * 2.5", 2.5],
    ["inputs.half + inputs.n", 2.5],
    ["1 in inputs.list && !(4 in inputs.list)", true],
    ['"a" in inputs.map', true],
    ['"constructor" in inputs.map', false],
    ['inputs.map["b-c"]', 2],
    ["inputs.list[2]", 3],
    ["size(inputs.text)", 3],
    ["inputs.text.size()", 3],
    ["inputs.text.substring(1, 3)", "ñ😀"],
    ['"a,b,c".split(",").join("-")', "a-b-c"],
    ['"aXbX".replace("X", "--")', "a--b--"],
    ['"ABC".lowerAscii() + "abc".upperAscii()', "abcABC"],
    ['"v1.2".matches("^v[0-9.]+$")', true],
    ['inputs.text.startsWith("a") && inputs.text.contains("ñ") && inputs.text.endsWith("😀")', true],
    ["inputs.list.map(x, x * 2)", [2, 4, 6]],
    ["inputs.list.map(x, x > 1, x * 2)", [4, 6]],
    ["inputs.list.filter(x, x > 1)", [2, 3]],
    ["inputs.list.all(x, x > 0) && inputs.list.exists(x, x == 3) && inputs.list.exists_one(x, x == 2)", true],
    ["inputs.map.all(k, size(k) > 0)", true],
    ["inputs.none == null", true],
    ["inputs.on ? 'yes' : 'no'", "yes"],
    ['int("42") + int(1.9) == 43', true],
    ["string(inputs.n) + string(true)", "2true"],
    ['timestamp("2026-01-01T10:00:00+02:00").getHours()', 8],
    ['string(timestamp("2026-01-01T00:00:00Z") + duration("1h30m"))', "2026-01-01T01:30:00.000Z"],
    ['timestamp("2026-01-02T00:00:00Z") - timestamp("2026-01-01T00:00:00Z") == duration("1d")', true],
    ['{"a": inputs.n, "b": [1, "x", null]}', { a: 2, b: [1, "x", null] }],
    ["[1, 2] + [3] == inputs.list", true],
    ["{'a': 1} == {'a': 1.0}", true],
    ["has(inputs.map.a) && !has(inputs.map.zzz) && has(inputs.none)", true],
    ["inputs", inputs],
    ["-9223372036854775808 < 0", true],
    ["'\\uFF5E' < '😀'", true],
    ["dyn(1) == 1", true],
    ["type(1) + type(1.5) + type('')", "intdoublestring"],
  ])("%s", (source, expected) => {
    expect(evaluate(source, { inputs })).toEqual(expected);
  });

  it("either side of `||` and `&&` may decide although the other one fails", () => {
    expect(evaluate("inputs.missing == 1 || true")).toBe(true);
    expect(evaluate("true || inputs.missing == 1")).toBe(true);
    expect(evaluate("inputs.missing == 1 && false")).toBe(false);
    expect(evaluate("[1, 'a'].exists(x, x - 1 == 0)")).toBe(true);
    expect(refusal(() => evaluate("inputs.missing == 1 || false")).code).toBe("expression_failed");
  });

  it("results are frozen and hold own data members only, a key `__proto__` included", () => {
    const made = evaluate('{"__proto__": {"polluted": true}}') as object;
    expect(Object.isFrozen(made)).toBe(true);
    expect(Object.keys(made)).toEqual(["__proto__"]);
    expect((made as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("members that objects inherit are not there", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      expect(evaluate(`has(inputs.${name})`)).toBe(false);
      expect(refusal(() => evaluate(`inputs.${name}`)).code).toBe("expression_failed");
      expect(refusal(() => evaluate(`inputs["${name}"]`)).code).toBe("expression_failed");
      expect(
        evaluate(`inputs["${name}"]`, {
          inputs: {
            ["constructor"]: 1,
            toString: 1,
            ["hasOwnProperty"]: 1,
            ...JSON.parse('{"__proto__": 1}'),
          } as JsonValue as never,
        }),
      ).toBe(1);
    }
  });

  it("agrees with the library's own evaluator on arithmetic, comparison, text and lists", () => {
    const int = fc.integer({ min: -50, max: 50 }).map((n) => (n < 0 ? `(${n})` : `${n}`));
    const { number } = fc.letrec<{ number: string }>((tie) => ({
      number: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        int,
        fc
          .tuple(tie("number"), fc.constantFrom("+", "-", "*", "/", "%"), tie("number"))
          .map((parts) => `(${parts.join(" ")})`),
        fc
          .tuple(tie("number"), tie("number"), tie("number"))
          .map(([a, b, c]) => `(${a} < ${b} ? ${b} : ${c})`),
        fc.tuple(tie("number"), tie("number")).map(([a, b]) => `[${a}, ${b}].filter(x, x > ${a}).size()`),
        fc.tuple(tie("number"), tie("number")).map(([a, b]) => `([${a}, 3].map(x, x - ${b})[1])`),
      ),
    }));
    const { truth } = fc.letrec<{ truth: string }>((tie) => ({
      truth: fc.oneof(
        { depthSize: "small" },
        fc
          .tuple(number, fc.constantFrom("==", "!=", "<", "<=", ">", ">="), number)
          .map((parts) => `(${parts.join(" ")})`),
        fc
          .tuple(tie("truth"), fc.constantFrom("&&", "||"), tie("truth"))
          .map((parts) => `(${parts.join(" ")})`),
        tie("truth").map((inner) => `!${inner}`),
        fc.tuple(number, number).map(([a, b]) => `[1, ${a}].exists(x, x == ${b})`),
        fc.tuple(number, number).map(([a, b]) => `[0, ${a}].all(x, x / ${b} >= 0)`),
        fc
          .tuple(fc.constantFrom('"ab"', '""', '"b"'), fc.constantFrom('"b"', '"abc"'))
          .map(([a, b]) => `(${a} + "x").contains(${b})`),
      ),
    }));
    let answered = 0;
    fc.assert(
      fc.property(fc.oneof(number, truth), (source) => {
        let theirs: unknown;
        try {
          theirs = libraryEvaluate(source);
        } catch {
          theirs = "failed";
        }
        let ours: unknown;
        try {
          ours = evaluate(source);
          answered++;
        } catch {
          ours = "failed";
        }
        expect(ours).toBe(typeof theirs === "bigint" ? Number(theirs) : theirs);
      }),
      { numRuns: 2_000 },
    );
    expect(answered).toBeGreaterThan(500);
  });
});

describe("failures", () => {
  it.each([
    ["inputs.missing", "there is no field `missing`", 7],
    ["1 + inputs.missing.more", "there is no field `missing`", 11],
    ["inputs.n.more", "a int has no field `more`", 9],
    ["1 / 0", "division by zero", 0],
    ["9223372036854775807 + 1", "the result does not fit in a 64-bit integer", 0],
    ["9007199254740993", "the result `9007199254740993` is too large for a JSON number", 0],
    ["1.0 / 0.0", "the result `Infinity` is not a JSON number", 0],
    ["'a' + 1", "`+` is not defined for string and int", 0],
    ["inputs.n ? 1 : 2", "the condition needs true or false, found a int", 0],
    ["!inputs.n", "`!` needs true or false, found a int", 0],
    ["inputs.list[9]", "index 9 is outside the list of 1", 12],
    ["{1: 2}", "a map key must be a string, found a int", 1],
    ["{'a': 1, 'a': 2}", "the key `a` stands twice in the map", 9],
    [
      "timestamp('January 1, 2026 00:00:00')",
      "`January 1, 2026 00:00:00` is not an RFC 3339 date and time with a zone",
      0,
    ],
    [
      "timestamp('2026-01-01T00:00:00.000')",
      "`2026-01-01T00:00:00.000` is not an RFC 3339 date and time with a zone",
      0,
    ],
    ["duration('1 hour')", "`1 hour` is not a duration", 0],
    [
      "timestamp('2026-01-01T00:00:00Z')",
      "the result is a timestamp, which JSON does not have: use string(…)",
      0,
    ],
    [
      "timestamp('9999-12-31T23:59:59Z') + duration('1w')",
      "the timestamp is outside the years 0000 to 9999",
      0,
    ],
    ["'a'.matches(inputs.pattern)", /^the pattern is not valid RE2/, 0],
    ["'b' in 'abc'", "`in` needs a list or a map on its right, not a string", 0],
  ])("%s fails: %s", (source, message, offset) => {
    const found = refusal(() => evaluate(source, { inputs: { n: 1, list: [1], pattern: "(?=a)" } }));
    expect(found).toMatchObject({ code: "expression_failed", offset });
    if (typeof message === "string") expect(found.message).toBe(message);
    else expect(found.message).toMatch(message);
  });

  it("a declared variable without a value fails", () => {
    expect(refusal(() => compileCel("inputs.a", names).evaluate({})).message).toBe(
      "there is no value for `inputs`",
    );
  });
});

describe("what does not compile", () => {
  it.each([
    ["", 0],
    ["   ", 0],
    ["1 +", 3],
    ["a b", 2],
    ["inputs.a b", 9],
    ["'open", 0],
    ["unknown.a", 0],
    ["inputs.list.map(inputs, inputs)", 16],
    ["1u", 0],
    ["b'bytes'", 0],
    ["9223372036854775808", 0],
    ["inputs.a.getHours('Europe/Berlin')", 0],
    ["inputs.a.getDayOfYear()", 0],
    ["cel.bind(x, 1, x)", 0],
    ["b'{}'.json()", 0],
    ["now()", 0],
    ["random()", 0],
    ["google.protobuf.Timestamp", 0],
    ["'a'.matches('(?=a)')", 12],
    ["'a'.matches('((a{1000}){1000}){1000}')", 12],
    ["has(inputs['a'])", 0],
    ["size()", 0],
    ["inputs.?a", 7],
    ["[".repeat(40) + "]".repeat(40), 32],
    [`${"1+".repeat(600)}1`, undefined],
    ["1".padEnd(4_097), 0],
    ["'\\uD800'", 1],
    ["inputs.a\u0000", 8],
  ])("`%s` is refused", (source, offset) => {
    const found = refusal(() => compileCel(source, names));
    expect(found.code).toBe("invalid_expression");
    if (offset !== undefined) expect(found.offset).toBe(offset);
  });

  it("hints name what was probably meant", () => {
    expect(refusal(() => compileCel("input.a", names)).hint).toBe("did you mean `inputs`?");
    expect(refusal(() => compileCel("'a'.startWith('b')", names)).hint).toBe("did you mean `startsWith`?");
  });
});

describe("references", () => {
  const paths = (source: string) =>
    compileCel(source, names).references.map(({ variable, path, offset }) => [variable, [...path], offset]);

  it("constant members are listed, in the dotted and the indexed form", () => {
    expect(paths('steps.log.output + steps["my-step"].output.text')).toEqual([
      ["steps", ["log", "output"], 0],
      ["steps", ["my-step", "output", "text"], 19],
    ]);
    expect(paths("has(steps.a.output) ? steps.a.output : inputs.list[0].x")).toEqual([
      ["steps", ["a", "output"], 4],
      ["steps", ["a", "output"], 22],
      ["inputs", ["list"], 39],
    ]);
  });

  it("a computed index ends the path, and what computes it is listed too", () => {
    expect(paths("steps[inputs.name].output")).toEqual([
      ["steps", [], 0],
      ["inputs", ["name"], 6],
    ]);
    expect(paths("steps[['a'][0]]")).toEqual([["steps", [], 0]]);
  });

  it("bare variables and those inside macros are listed; the macro's own name is not", () => {
    expect(paths("inputs.list.map(x, x.steps + run.id)")).toEqual([
      ["inputs", ["list"], 0],
      ["run", ["id"], 29],
    ]);
    expect(paths("steps")).toEqual([["steps", [], 0]]);
  });
});

describe("work is bounded", () => {
  const big = Array.from({ length: 2_000 }, (_, index) => index);

  it.each([
    ["nested loops over data", "inputs.big.map(a, inputs.big.map(b, inputs.big.map(c, a + b + c)))"],
    ["nested loops hidden behind errors", "inputs.big.all(a, inputs.big.all(b, inputs.big.all(c, c.x)))"],
    ["exhaustion hidden behind `||`", "inputs.big.map(a, inputs.big.map(b, a == inputs.big)) == [] || true"],
    ["text doubled again and again", `['${"x".repeat(64)}']${".map(a, a + a)".repeat(25)}.size() > 0`],
    ["lists doubled again and again", `[[1, 2, 3, 4]]${".map(a, a + a)".repeat(25)}.size() > 0`],
    ["a small result that stands for a huge document", `[1]${".map(a, [a, a, a, a])".repeat(20)}`],
    ["comparison of such a result with itself", `[[1]${".map(a, [a, a, a, a])".repeat(20)}].all(x, x == x)`],
    ["large data repeated in the result", "inputs.big.map(a, inputs.big)"],
    ["growing text by replacement", `'aaaaaaaa'${".replace('a', 'aaaaaaaa')".repeat(20)}`],
    ["many computed patterns", "inputs.big.filter(a, 'x'.matches('x{1000}' + ''))"],
  ])("%s", (_, source) => {
    const found = refusal(() => evaluate(source, { inputs: { big } }));
    expect(found).toMatchObject({
      code: "expression_failed",
      message: "the expression needs too much work on this data",
    });
  });

  it("patterns that stall backtracking engines answer", () => {
    expect(evaluate("inputs.text.matches('^(a+)+$')", { inputs: { text: `${"a".repeat(50_000)}!` } })).toBe(
      false,
    );
  });

  it("ordinary work on a megabyte of text is within bounds", () => {
    const text = "line of text\n".repeat(80_000);
    expect(evaluate("inputs.text.contains('none') || inputs.text + 'x' != ''", { inputs: { text } })).toBe(
      true,
    );
  });
});
