import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Capability } from "../../src/model/capability/index.js";
import { exceptPattern, overlaps, parseCapability } from "../../src/model/capability/index.js";
import { resourceCovers, resourcesOverlap } from "../../src/model/capability/covers.js";
import { routeOf } from "../../src/model/capability/index-keys.js";
import { readCapability } from "../../src/model/capability/parse.js";
import {
  alikeCovers,
  exceptionOverlaps,
  plainCovers,
  plainOverlaps,
} from "../../src/model/capability/plain-covers.js";
import { readPlainText } from "../../src/model/capability/plain-text.js";
import { CapabilitySyntaxError } from "../../src/model/errors.js";

const name = fc.constantFrom(
  "a",
  "b",
  "ab",
  "a.b",
  ".a",
  "..a",
  "a..",
  "aa",
  "a-b",
  "~",
  "%41",
  "é",
  "x y",
  "a:b",
);
const odd = fc.constantFrom("", ".", "..", "\\*", "a\\*b", "a\\/b", "..;x", "***", "a**");
const pattern = fc.constantFrom("a*a", "ab*b", "*", "**", "a*", "*b", "a*b", "*.ts", "a*b*", "**", "*");
const segment = fc.oneof(
  { weight: 8, arbitrary: name },
  { weight: 5, arbitrary: pattern },
  { weight: 1, arbitrary: odd },
);
const path = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
const label = fc.constantFrom("a", "b", "x1", "*", "**", "xn--bcher-kva", "A", "10", "0x1", "a_b", "-a");
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")),
  fc.constantFrom("a.test", "b.a.test", "10.0.0.1", "[::1]", "a.test:8080", "http://a.test", "a.test."),
);
const method = fc.constantFrom("", "GET ", "HEAD ", "POST ", "get ", "M-SEARCH ", "-A ");
const text = fc.oneof(
  fc
    .tuple(fc.constantFrom("fs:read:/", "fs:write:/", "fs:*:/", "fs:read:"), path)
    .map((both) => both.join("")),
  fc
    .tuple(fc.constantFrom("crm:update:", "crm:*:", "mcp:call:", "memory:read:", "os:process:"), path)
    .map((both) => both.join("")),
  fc
    .tuple(
      method,
      host,
      fc.oneof(
        path.map((rest) => `/${rest}`),
        fc.constantFrom("", "/"),
      ),
    )
    .map(([verb, site, rest]) => `net:http:${verb}${site}${rest}`),
  fc.constantFrom(
    "fs:read",
    "fs:*",
    "crm:update:**",
    "fs:read:/**",
    "fs:read:/",
    "net:http",
    "FS:read:/a",
    "fs::/a",
  ),
);

function readWholly(input: string): Capability | undefined {
  try {
    return readCapability(input);
  } catch (error) {
    expect(error).toBeInstanceOf(CapabilitySyntaxError);
    return undefined;
  }
}

/** The same capability with all that the whole grammar found and nothing of what is plain. */
function wholly(capability: Capability): Capability {
  const read = readWholly(capability.text);
  if (read === undefined) throw new Error(`${capability.text} is not read`);
  return read;
}

function numbersOf(capability: Capability): readonly number[] {
  const { action, depth, prefixes } = routeOf(capability);
  return [action, ...prefixes.subarray(0, depth + 1)];
}

const plain = text.filter((each) => readPlainText(each) !== undefined).map((each) => parseCapability(each));
const literal = plain.filter(({ literalEnd, text: each }) => literalEnd > each.length);

describe("a plain text means what the whole grammar says (C1-C6)", () => {
  it("what is plain is accepted by the grammar, unchanged, and is the same capability", () => {
    let seen = 0;
    fc.assert(
      fc.property(text, (input) => {
        if (readPlainText(input) === undefined) return;
        seen++;
        const quick = parseCapability(input);
        const read = readWholly(input);
        expect(read?.text).toBe(input);
        expect(quick.text).toBe(input);
        expect([quick.domain, quick.action, quick.wildcards]).toEqual([
          read?.domain,
          read?.action,
          read?.wildcards,
        ]);
        expect(quick.resource).toEqual(read?.resource);
      }),
      { numRuns: 30_000, seed: 11 },
    );
    expect(seen).toBeGreaterThan(8_000);
  });

  it.each([
    "fs:read:/a/../b",
    "fs:read:/a//b",
    "fs:read:/a/",
    "fs:read:a",
    "fs:read:/a\\*",
    "fs:read:/a**",
    "fs:read:/**/**",
    "fs:read:/a\u0000",
    "fs:read:/é",
    "crm:update:/a",
    "net:http:A.test/x",
    "net:http:a.test:443/x",
    "net:http:https://a.test/x",
    "net:http:xn--bcher-kva.example/x",
    "net:http:10.0.0.1/x",
    "net:http:a.0x7f/x",
    "net:http:a.test/..;x",
    "net:http:a.test/%2e",
    "net:http:a.test/x/",
    "net:http:get a.test/x",
    `fs:read:/${"a/".repeat(64)}a`,
    `fs:read:/${"*/".repeat(16)}*`,
    `fs:read:/${"a".repeat(1_020)}`,
  ])("%j is left to the whole grammar", (input) => {
    expect(readPlainText(input)).toBeUndefined();
  });
});

describe("texts compare as their resources do (C8)", () => {
  it("covers: on 60,000 pairs, wherever the texts alone give an answer", () => {
    const answers = new Map<unknown, number>();
    fc.assert(
      fc.property(plain, fc.oneof(literal, plain), (held, asked) => {
        const answer = plainCovers(held, asked);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        if (answer !== undefined) expect(answer).toBe(resourceCovers(wholly(held), wholly(asked)));
        expectAlike(held, asked);
      }),
      { numRuns: 60_000, seed: 12 },
    );
    for (const answer of [true, false]) expect(answers.get(answer) ?? 0).toBeGreaterThan(500);
  });

  it("covers: a pattern, and what was made to fit it or nearly so", () => {
    let [covered, alike] = [0, 0];
    const fill = fc.array(fc.constantFrom("a", "ab", "b", "aab", "a/b", "a/b/a", ""), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(plain, fill, ({ text: pattern }, fills) => {
        let next = 0;
        const input = pattern
          .replace(":*:", ":read:")
          .replace(/\/\*\*|\*\*\/?|\*/g, (star) => (star[0] === "/" ? "/" : "") + (fills[next++ % 8] ?? ""))
          .replace(/\/$/, "");
        if (readPlainText(input) === undefined) return;
        const [held, asked] = [parseCapability(pattern), parseCapability(input)];
        const answer = plainCovers(held, asked);
        const truth = resourceCovers(wholly(held), wholly(asked));
        if (answer !== undefined) expect(answer).toBe(truth);
        if (truth) covered++;
        if (expectAlike(held, asked) !== undefined) alike++;
      }),
      { numRuns: 30_000, seed: 13 },
    );
    expect(covered).toBeGreaterThan(8_000);
    expect(alike).toBeGreaterThan(8_000);
  });

  /** By the text and the indices alone, or not at all. */
  function expectAlike(held: Capability, asked: Capability): boolean | undefined {
    const { text, head, body } = held;
    // As a table of integers keeps them.
    const [first = 0, second = 0] = Int32Array.of(head, body);
    const answer = alikeCovers(text, first, second, asked);
    if (answer !== undefined) expect(answer).toBe(resourceCovers(wholly(held), wholly(asked)));
    return answer;
  }

  it("covers: every method against every other, on one host and path (C6)", () => {
    const methods = ["", "GET ", "HEAD ", "POST ", "HEADS ", "M-SEARCH "];
    for (const granted of methods) {
      for (const wanted of methods) {
        const held = parseCapability(`net:http:${granted}a.test/v1/**`);
        const asked = parseCapability(`net:http:${wanted}a.test/v1/x`);
        const truth = granted === wanted || (granted === "" && (wanted === "GET " || wanted === "HEAD "));
        expect({ granted, wanted, answer: plainCovers(held, asked) }).toEqual({
          granted,
          wanted,
          answer: truth,
        });
        expect(resourceCovers(wholly(held), wholly(asked))).toBe(truth);
      }
    }
  });

  it.each([
    ["fs:read:/a*a", "fs:read:/a"],
    ["fs:read:/ab*b", "fs:read:/ab"],
    ["fs:read:/x/*", "fs:read:/x"],
    ["fs:read:/**/a/**/a", "fs:read:/a"],
    ["fs:read:/a/**", "fs:read:/ab"],
    ["crm:update:a", "crm:update:a/b"],
    ["crm:update:*", "crm:update:a/b"],
  ])("%j does not cover %j, though it begins and ends alike", (held, asked) => {
    expect(plainCovers(parseCapability(held), parseCapability(asked))).toBe(false);
  });

  it("overlaps: on 40,000 pairs, wherever the texts alone give an answer", () => {
    const answers = new Map<unknown, number>();
    fc.assert(
      fc.property(plain, literal, (one, asked) => {
        const answer = plainOverlaps(one, asked);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        if (answer !== undefined) expect(answer).toBe(resourcesOverlap(wholly(one), wholly(asked)));
      }),
      { numRuns: 40_000, seed: 14 },
    );
    for (const answer of [true, false]) expect(answers.get(answer) ?? 0).toBeGreaterThan(300);
  });

  it("overlaps: what `except` leaves out of `net` against one resource, as the components compare", () => {
    let [seen, overlapping] = [0, 0];
    const site = fc.constantFrom("a.test", "b.a.test");
    const deep = fc.array(fc.constantFrom("a", "ab", "b", "a*", "*b", "*", "**"), {
      minLength: 1,
      maxLength: 4,
    });
    const verb = fc.constantFrom("", "GET ", "HEAD ", "POST ");
    const address = fc
      .tuple(verb, site, deep)
      .map(([way, name, parts]) => `${way}${name}/${parts.join("/")}`);
    const action = fc.constantFrom("net:http", "net:fetch", "net:*");
    fc.assert(
      fc.property(action, address, action, address, (of, excepted, by, wanted) => {
        const one = exceptPattern(parseCapability(of), excepted);
        const text = `${by}:${wanted.replaceAll("*", "")}`;
        if (readPlainText(text) === undefined) return;
        const asked = parseCapability(text);
        const answer = exceptionOverlaps(one, asked);
        if (answer === undefined) return;
        seen++;
        if (answer) overlapping++;
        expect(answer).toBe(resourcesOverlap(one, asked));
        expect(overlaps(asked, one)).toBe(answer);
      }),
      { numRuns: 30_000, seed: 16 },
    );
    expect(seen).toBeGreaterThan(5_000);
    expect(overlapping).toBeGreaterThan(500);
  });

  it("an index finds a plain text at the place where the whole grammar puts it", () => {
    fc.assert(
      fc.property(plain, (each) => {
        expect(numbersOf(each)).toEqual(numbersOf(wholly(each)));
      }),
      { numRuns: 20_000, seed: 15 },
    );
  });
});
