import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covers, parseCapability } from "../../src/model/capability/index.js";
import { canonicalJson } from "../../src/model/canonical.js";
import { CapabilitySyntaxError, ExpressionError } from "../../src/model/errors.js";
import type { JsonValue } from "../../src/model/json.js";
import { compileCondition, evaluateCondition, type ExpressionScope } from "../../src/workflow/expression.js";
import {
  compileCapability,
  compileScope,
  evaluateCapabilityTemplate,
  evaluateScopeTemplate,
} from "../../src/workflow/expression-capability.js";
import { scanText } from "../../src/workflow/expression-scan.js";
import { compileTemplate, compileText, evaluateTemplate } from "../../src/workflow/expression-template.js";

const place = { step: "s", field: "with.p" };
const scopeOf = (inputs: Record<string, JsonValue>): ExpressionScope => ({
  inputs,
  steps: {
    log: { status: "completed", output: { exit_code: 0, text: "done" } },
    denied: { status: "denied" },
  },
  run: { id: "r1", workflow: "w", seed: 7, folder: "/home" },
});

function fill(value: JsonValue, inputs: Record<string, JsonValue> = {}): JsonValue {
  const template = compileTemplate(value, ["with"], (text) => compileText(text, place));
  return evaluateTemplate(template, scopeOf(inputs));
}

function refusal(run: () => unknown): { code: string; offset: number; message: string } {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ExpressionError);
    const { code, offset, message } = error as ExpressionError;
    return { code, offset, message };
  }
  throw new Error("nothing was thrown");
}

describe("templates", () => {
  it.each<[string, JsonValue]>([
    ["${{ inputs.n }}", 2],
    ["${{inputs.list}}", [1, "x"]],
    ["${{ inputs.map }}", { b: 1, a: null }],
    ["n=${{ inputs.n }}", "n=2"],
    [" ${{ inputs.n }}", " 2"],
    ["${{ inputs.n }}${{ inputs.n }}", "22"],
    ["${{ inputs.map }} and ${{ inputs.list }}", '{"a":null,"b":1} and [1,"x"]'],
    ["${{ inputs.none }}-${{ true }}-${{ 0.5 }}", "null-true-0.5"],
    ["${{ steps.log.output.exit_code == 0 }}", true],
    ["${{ steps.log.output.exit_code + 1 }}", 1],
    ["${{ has(steps.log.output) }}${{ has(steps.denied.output) }}", "truefalse"],
    ["${{ run.folder }}/${{ run.id }}-${{ run.seed }}", "/home/r1-7"],
    ["${{ '}}' + \"}}\" }}", "}}}}"],
    ["${{ {'a': {'b': 1}}}}", { a: { b: 1 } }],
    ["${{ {'a': {'b': 1}}.a.b }}!", "1!"],
    ["${{ 'it\\'s }}' }}", "it's }}"],
    ['${{ """a "quoted" }} text""" }}', 'a "quoted" }} text'],
    ["${{ 'nested ${{ is text' }}", "nested ${{ is text"],
    ["$${{ inputs.n }}", "${{ inputs.n }}"],
    ["a $${{ x }} ${{ inputs.n }} $$", "a ${{ x }} 2 $$"],
    ["$$${{ inputs.n }}", "$${{ inputs.n }}"],
    ["${{ inputs.n // a comment }}\n }}", 2],
    ["plain $ { {{ }} text", "plain $ { {{ }} text"],
    ["", ""],
  ])("%s", (text, expected) => {
    expect(fill(text, { n: 2, list: [1, "x"], map: { b: 1, a: null }, none: null })).toEqual(expected);
  });

  it("are filled in at every depth; keys and other values stay as they are", () => {
    expect(
      fill({ a: ["${{ inputs.n }}", { b: "x${{ inputs.n }}" }], c: 1, d: null, e: false }, { n: 1 }),
    ).toEqual({
      a: [1, { b: "x1" }],
      c: 1,
      d: null,
      e: false,
    });
  });

  it("what an expression gives is never looked at for expressions again", () => {
    const attack = fc.oneof(
      fc.constantFrom(
        "${{ run.id }}",
        "$${{ run.id }}",
        "}} ${{ run.id }} {{",
        "${{ inputs.secret }}",
        "' + run.id + '",
        "${{",
      ),
      fc
        .string({ unit: "binary" })
        .filter((text) => text.isWellFormed())
        .map((text) => `\${{ ${text} }}`),
    );
    fc.assert(
      fc.property(attack, fc.string(), (data, other) => {
        expect(fill("${{ inputs.data }}", { data })).toBe(data);
        expect(fill("<${{ inputs.data }}>${{ inputs.other }}", { data, other })).toBe(`<${data}>${other}`);
        expect(fill({ deep: ["${{ inputs.map }}"] }, { map: { [`k${data}`]: data } })).toEqual({
          deep: [{ [`k${data}`]: data }],
        });
        expect(fill("${{ inputs.map }}!", { map: { data } })).toBe(`${canonicalJson({ data })}!`);
      }),
    );
  });

  it("two pieces of data never join to an expression", () => {
    expect(fill("${{ inputs.a }}${{ inputs.b }}", { a: "${", b: "{ run.id }}" })).toBe("${{ run.id }}");
    expect(fill("$${{ inputs.a }}", { a: "x" })).toBe("${{ inputs.a }}");
  });

  it.each([
    ["${{ inputs.n", 0, "the expression is not closed"],
    ["ab ${{ 'open }}", 3, "the expression is not closed"],
    ["ab ${{ {1: 2 }}", 3, "the expression is not closed"],
    ["${{ inputs.n // }}", 0, "the expression is not closed"],
    ["ab ${{ 1 + }} ${{ run.id }}", 11, "the expression is not valid: unexpected token: EOF"],
    ["${{ }}", 3, "the expression is empty"],
    ["${{ a } }}", 6, "the expression is not valid: unexpected character: '}'"],
  ])("%s does not compile", (text, offset, message) => {
    expect(refusal(() => compileText(text, place))).toEqual({ code: "invalid_expression", offset, message });
  });

  it("a failure names the step, the field and the expression", () => {
    expect(refusal(() => fill("x ${{ steps.denied.output.text }}"))).toMatchObject({
      code: "expression_failed",
      message: "step `s`, field `with.p`: `steps.denied.output.text` failed: there is no field `output`",
    });
  });

  it("any text splits into pieces that hold all of it, in one pass", () => {
    const part = fc.constantFrom("${{", "}}", "{", "}", "'", '"', "$", "\\", "//", "\n", "a", '"""');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const text = parts.join("");
        let pieces;
        try {
          pieces = scanText(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_expression" });
          return;
        }
        const escapes =
          text.length -
          pieces.reduce((sum, piece) => sum + piece.content.length + (piece.kind === "text" ? 0 : 5), 0);
        expect(escapes).toBeGreaterThanOrEqual(0);
        for (const piece of pieces)
          if (piece.kind === "expression")
            expect(text.startsWith(`\${{${piece.content}}}`, piece.start - 3)).toBe(true);
      }),
    );
    expect(refusal(() => scanText("${{".repeat(300_000))).offset).toBe(0);
  });
});

describe("conditions", () => {
  const decide = (text: string | boolean) =>
    evaluateCondition(compileCondition(text, { step: "s", field: "if" }), scopeOf({ n: 1 }));

  it.each<[string | boolean, boolean]>([
    ["inputs.n == 1", true],
    ["${{ inputs.n == 2 }}", false],
    ["  ${{ true }}\n", true],
    ["has(steps.denied.output)", false],
    ['steps.log.status == "completed"', true],
    [true, true],
    [false, false],
  ])("%s", (text, expected) => {
    expect(decide(text)).toBe(expected);
  });

  it("must give true or false, not something like it", () => {
    for (const text of ["inputs.n", "'true'", "null", "[]"]) {
      expect(refusal(() => decide(text))).toMatchObject({
        code: "expression_failed",
        message: `step \`s\`, field \`if\`: \`${text}\` failed: a condition must give true or false`,
      });
    }
  });

  it("are one expression", () => {
    expect(refusal(() => decide("${{ true }} ${{ true }}")).code).toBe("invalid_expression");
    expect(refusal(() => decide("not ${{ true }}")).code).toBe("invalid_expression");
    expect(refusal(() => decide("")).code).toBe("invalid_expression");
  });
});

describe("capabilities with data in them (C7)", () => {
  const at = { step: "s", field: "capability" };
  const fillCapability = (text: string, x: JsonValue) =>
    evaluateCapabilityTemplate(compileCapability(text, at), scopeOf({ x }));

  it.each<[string, JsonValue, string]>([
    ["fs:read:/w/${{ inputs.x }}", "a/b.txt", "fs:read:/w/a/b.txt"],
    ["fs:read:/w/${{ inputs.x }}", "*", "fs:read:/w/\\*"],
    ["fs:read:/w/${{ inputs.x }}", "**", "fs:read:/w/\\*\\*"],
    ["fs:read:/w/${{ inputs.x }}/**", "a\\*", "fs:read:/w/a\\\\\\*/**"],
    ["fs:read:/w/v${{ inputs.x }}", 1.5, "fs:read:/w/v1.5"],
    ["mcp:call:github/${{ inputs.x }}", "a/b", "mcp:call:github/a\\/b"],
    ["mcp:call:github/${{ inputs.x }}", "*", "mcp:call:github/\\*"],
    ["crm:update:accounts/${{ inputs.x }}", "7/../8", "crm:update:accounts/7\\/..\\/8"],
    ["memory:write:notes/${{ inputs.x }}", "a/*", "memory:write:notes/a/\\*"],
    ["os:process:${{ inputs.x }}", "git", "os:process:git"],
    ["net:http:${{ inputs.x }}", "api.example.com", "net:http:api.example.com"],
    ["net:http:${{ inputs.x }}", "https://api.example.com/v1/*", "net:http:api.example.com/v1/%2A"],
    ["net:http:POST ${{ inputs.x }}/v1", "https://api.example.com", "net:http:POST api.example.com/v1"],
    ["net:http:GET https://api.example.com/v1/${{ inputs.x }}", "a/b", "net:http:GET api.example.com/v1/a/b"],
    ["net:http:https://${{ inputs.x }}.example.com", "eu", "net:http:eu.example.com"],
    ["net:http:GET api.example.com/${{ inputs.x }}", "**", "net:http:GET api.example.com/%2A%2A"],
  ])("%s with %j asks for %s", (text, value, expected) => {
    const found = fillCapability(text, value);
    expect(parseCapability(found).text).toBe(parseCapability(expected).text);
  });

  it.each<[string, JsonValue]>([
    ["fs:read:/w/${{ inputs.x }}", "../secret"],
    ["fs:read:/w/${{ inputs.x }}", "a/../../secret"],
    ["fs:read:/w/${{ inputs.x }}", ""],
    ["fs:read:/w/${{ inputs.x }}", "a\u0000"],
    ["fs:read:/w/${{ inputs.x }}", ["a"]],
    ["fs:read:/w/${{ inputs.x }}", null],
    ["os:process:${{ inputs.x }}", "sub/dir"],
    ["net:http:${{ inputs.x }}", "DELETE api.example.com"],
    ["net:http:${{ inputs.x }}", "*.example.com"],
    ["net:http:${{ inputs.x }}", "user@evil.test"],
    ["net:http:https://${{ inputs.x }}.example.com", "evil.test/"],
    ["net:http:https://${{ inputs.x }}.example.com", "evil.test:80"],
    ["net:http:https://${{ inputs.x }}.example.com", "evil.test#"],
    ["net:http:https://${{ inputs.x }}.example.com", "evil.test\\"],
    ["net:http:https://${{ inputs.x }}${{ run.id }}", "evil.test/"],
  ])("%s with %j is refused", (text, value) => {
    const found = refusal(() => fillCapability(text, value));
    expect(found.code).toBe("expression_failed");
    expect(found.message).toMatch(/^step `s`, field `capability`: /);
  });

  it("data never widens: whatever stands in it, the result is inside the pattern of its place", () => {
    const nasty = fc.oneof(
      fc.string({ unit: fc.constantFrom("*", "\\", "/", "a", ".", ":", " ", "{", "$") }),
      fc.string(),
    );
    fc.assert(
      fc.property(nasty, (x) => {
        for (const [text, pattern, wildcards] of [
          ["fs:write:/w/${{ inputs.x }}", "fs:write:/w/**", 0],
          ["mcp:call:server/${{ inputs.x }}", "mcp:call:server/*", 0],
          [
            "net:http:GET https://api.example.com/v1/${{ inputs.x }}",
            "net:http:GET https://api.example.com/v1/**",
            0,
          ],
          [
            "net:http:GET https://${{ inputs.x }}.example.com/v1",
            "net:http:GET https://**.example.com/**",
            0,
          ],
        ] as const) {
          let found: string;
          try {
            found = fillCapability(text, x);
          } catch (error) {
            expect(error).toMatchObject({ code: "expression_failed" });
            continue;
          }
          expect(covers(pattern, found)).toBe(true);
          expect(parseCapability(found).wildcards).toBe(wildcards);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("scopes are filled in the same way", () => {
    const capability = compileCapability("fs:read:/w/**", at);
    const template = compileScope("/w/${{ inputs.x }}", capability, { step: "s", field: "scope" });
    const of = parseCapability("fs:read:/w/**");
    expect(evaluateScopeTemplate(template, of, scopeOf({ x: "a*" }))).toBe("/w/a\\*");
    expect(refusal(() => evaluateScopeTemplate(template, of, scopeOf({ x: ".." }))).code).toBe(
      "expression_failed",
    );
    const tools = compileScope("github/${{ inputs.x }}", compileCapability("mcp:call", at), at);
    expect(evaluateScopeTemplate(tools, parseCapability("mcp:call"), scopeOf({ x: "a/b" }))).toBe(
      "github/a\\/b",
    );
  });

  it("what cannot be a capability is refused when the workflow is read", () => {
    for (const text of [
      "${{ inputs.x }}",
      "fs:${{ inputs.x }}:/a",
      "f${{ inputs.x }}:read:/a",
      "fs:read${{ inputs.x }}",
    ]) {
      expect(refusal(() => compileCapability(text, at)).code).toBe("invalid_expression");
    }
    expect(refusal(() => compileCapability("fs:read:/w/\\${{ inputs.x }}", at))).toMatchObject({
      code: "invalid_expression",
      message: "a backslash cannot stand before an expression",
      offset: 11,
    });
    expect(() => compileCapability("fs:read:relative", at)).toThrow(CapabilitySyntaxError);
    expect(() => compileScope("relative", compileCapability("fs:read", at), at)).toThrow(
      CapabilitySyntaxError,
    );
  });
});
