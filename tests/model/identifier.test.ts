import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAgentGlob, isIdentifier, matchesAgents } from "../../src/model/identifier.js";

describe("identifiers (A1)", () => {
  it.each(["a", "0", "a".repeat(128), "Agent-7.prod@eu:west_1"])("%j is one", (id) => {
    expect(isIdentifier(id)).toBe(true);
    expect(isAgentGlob(id)).toBe(true);
  });

  it.each([
    "",
    "-a",
    ".a",
    "a b",
    "a\n",
    "a".repeat(129),
    "a/b",
    "ä",
    "#admin",
    "a*",
    7,
    null,
    ["a"],
    { toString: () => "a" },
  ])("%j is none", (id) => {
    expect(isIdentifier(id)).toBe(false);
  });

  it.each(["*", "a*", "*-reader", "a*b*c"])("%j is a pattern of agents", (glob) => {
    expect(isAgentGlob(glob)).toBe(true);
  });

  it.each(["", "-*", "a?", "[a]", "a\\*", "*".repeat(129), 7])("%j is no pattern", (glob) => {
    expect(isAgentGlob(glob)).toBe(false);
  });

  it("a pattern names exactly what the like regular expression names", () => {
    const letters = fc.constantFrom("a", "b", "-", "a", "b");
    const glob = fc
      .array(fc.oneof(letters, fc.constant("*")), { maxLength: 10 })
      .map((each) => each.join(""));
    const id = fc.array(letters, { maxLength: 12 }).map((each) => each.join(""));
    let matched = 0;
    fc.assert(
      fc.property(glob, id, (pattern, text) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(text);
        expect(matchesAgents(pattern, text)).toBe(expected);
        matched += Number(expected);
      }),
      { numRuns: 5_000, seed: 8 },
    );
    expect(matched).toBeGreaterThan(300);
  });

  it("a pattern made to backtrack answers", () => {
    expect(matchesAgents(`${"a*".repeat(60)}b`, "a".repeat(128))).toBe(false);
  });
});
