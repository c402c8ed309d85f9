import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covers, indexKeys, overlaps, parseCapability } from "../../src/model/capability/index.js";
import { arbitraryPattern, arbitraryRelatives, printPattern } from "../oracle/pattern-arbitrary.js";
import {
  isContained,
  isNamed,
  isShared,
  toAutomaton,
  toUrlAutomaton,
  type Pattern,
} from "../oracle/pattern-oracle.js";

const NAME_LETTERS = ["a", "b", "*", "\\", "/"];
const PATH_LETTERS = ["a", "b", "*"];
const HOST_LETTERS = ["a", "b"];
const pairs = (letters: readonly string[]) =>
  fc.oneof(
    arbitraryRelatives(letters),
    arbitraryRelatives(letters).map(([one, other]) => [other, one] as const),
    fc.tuple(arbitraryPattern(letters), arbitraryPattern(letters)),
  );

/** Compares on random pairs and makes sure that the sample had enough of both answers to mean something. */
function compare(
  letters: readonly string[],
  runs: number,
  question: (held: Pattern, asked: Pattern) => { ours: boolean; oracle: boolean },
): void {
  let yes = 0;
  fc.assert(
    fc.property(pairs(letters), ([held, asked]) => {
      const { ours, oracle } = question(held, asked);
      if (oracle) yes += 1;
      expect(ours).toBe(oracle);
    }),
    { numRuns: runs },
  );
  expect(yes).toBeGreaterThan(runs / 10);
  expect(yes).toBeLessThan(runs * 0.95);
}

const names = (pattern: Pattern) => parseCapability(`crm:update:${printPattern(pattern)}`);
const files = (pattern: Pattern) => parseCapability(`fs:read:/${printPattern(pattern)}`);
const hosts = (pattern: Pattern) => parseCapability(`net:http:${printPattern(pattern).split("/").join(".")}`);

describe("C8: containment agrees with an exact oracle", () => {
  it("on 30,000 pairs of name patterns, escapes included", () => {
    compare(NAME_LETTERS, 30_000, (held, asked) => ({
      ours: covers(names(held), names(asked)),
      oracle: isContained(toAutomaton(asked), toAutomaton(held)),
    }));
  });

  it("on 20,000 pairs of file patterns", () => {
    compare(PATH_LETTERS, 20_000, (held, asked) => ({
      ours: covers(files(held), files(asked)),
      oracle: isContained(toAutomaton(asked), toAutomaton(held)),
    }));
  });

  it("on 10,000 pairs of host patterns, read from the right", () => {
    compare(HOST_LETTERS, 10_000, (held, asked) => ({
      ours: covers(hosts(held), hosts(asked)),
      oracle: isContained(toAutomaton([...asked].reverse()), toAutomaton([...held].reverse())),
    }));
  });

  it("on 20,000 pairs of URL paths, with and without a trailing slash", () => {
    const slash = fc.constantFrom<Pattern>([], [""]);
    let yes = 0;
    fc.assert(
      fc.property(pairs(HOST_LETTERS), slash, slash, ([one, other], oneEnd, otherEnd) => {
        const held: Pattern = [...one, ...oneEnd];
        const asked: Pattern = [...other, ...otherEnd];
        const oracle = isContained(toUrlAutomaton(asked), toUrlAutomaton(held));
        const url = (pattern: Pattern) => parseCapability(`net:http:h.example/${printPattern(pattern)}`);
        if (oracle) yes += 1;
        expect(covers(url(held), url(asked))).toBe(oracle);
        expect(overlaps(url(held), url(asked))).toBe(isShared(toUrlAutomaton(held), toUrlAutomaton(asked)));
      }),
      { numRuns: 20_000 },
    );
    expect(yes).toBeGreaterThan(2_000);
  });

  it("on every pair of small patterns, against every short name, one by one", () => {
    const segments = ["a", "*", "aa", "a*", "*a", "**"];
    const patterns = segments.flatMap((one) => [one, ...segments.map((other) => `${one}/${other}`)]);
    // C2: no resource counts as the name of no segments, which only `**` takes in.
    const words = ["", ...shortNames(["a", "z"], 3, 3).map((word) => `:${word}`)];
    const named = patterns.map((pattern) => {
      const held = parseCapability(`crm:update:${pattern}`);
      return words.map((word) => covers(held, parseCapability(`crm:update${word}`)));
    });
    for (const [one, held] of patterns.entries()) {
      for (const [other, asked] of patterns.entries()) {
        const contained = words.every((_, at) => named[other]?.[at] !== true || named[one]?.[at] === true);
        const shared = words.some((_, at) => named[other]?.[at] === true && named[one]?.[at] === true);
        const [left, right] = [parseCapability(`crm:update:${held}`), parseCapability(`crm:update:${asked}`)];
        expect([held, asked, covers(left, right), overlaps(left, right)]).toEqual([
          held,
          asked,
          contained,
          shared,
        ]);
      }
    }
  });
});

describe("C8: a pattern names exactly the texts it matches", () => {
  it("as the oracle's automaton does, on 10,000 patterns and names", () => {
    const letters = ["a", "b", "z"];
    const word = fc.array(fc.stringMatching(/^[abz]{1,4}$/), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(arbitraryPattern(letters), word, (pattern, segments) => {
        const asked = parseCapability(`crm:update:${segments.join("/")}`);
        expect(covers(names(pattern), asked)).toBe(isNamed(toAutomaton(pattern), segments));
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("except: overlap agrees with an exact oracle", () => {
  it("on 20,000 pairs of name patterns, in both directions", () => {
    compare(NAME_LETTERS, 20_000, (left, right) => {
      expect(overlaps(names(right), names(left))).toBe(overlaps(names(left), names(right)));
      return {
        ours: overlaps(names(left), names(right)),
        oracle: isShared(toAutomaton(left), toAutomaton(right)),
      };
    });
  });

  it("on 10,000 pairs of host patterns", () => {
    compare(HOST_LETTERS, 10_000, (left, right) => ({
      ours: overlaps(hosts(left), hosts(right)),
      oracle: isShared(toAutomaton([...left].reverse()), toAutomaton([...right].reverse())),
    }));
  });
});

describe("laws", () => {
  it("covers is reflexive, and parse after print is the identity", () => {
    fc.assert(
      fc.property(arbitraryPattern(NAME_LETTERS), (pattern) => {
        const one = names(pattern);
        expect(parseCapability(one.text)).toEqual(one);
        expect(covers(one, one)).toBe(true);
        expect(covers(one, one.text)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it("covers is transitive", () => {
    let chains = 0;
    const chain = arbitraryRelatives(HOST_LETTERS).chain(([wide, middle]) =>
      fc.tuple(fc.constant(wide), fc.constant(middle), arbitraryPattern(HOST_LETTERS)),
    );
    fc.assert(
      fc.property(chain, arbitraryRelatives(HOST_LETTERS), ([one, two, three], [four, five]) => {
        const all = [one, two, three, four, five].map(names);
        for (const a of all) {
          for (const b of all) {
            if (a === b || !covers(a, b)) continue;
            for (const c of all) {
              if (!covers(b, c)) continue;
              if (c !== b && c !== a) chains += 1;
              expect(covers(a, c)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 3_000 },
    );
    expect(chains).toBeGreaterThan(500);
  });

  it("what covers overlaps", () => {
    fc.assert(
      fc.property(pairs(NAME_LETTERS), ([held, asked]) => {
        if (covers(names(held), names(asked))) expect(overlaps(names(held), names(asked))).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it("index keys of a grant begin the index keys of all it covers", () => {
    let covered = 0;
    const check = (held: ReturnType<typeof names>, asked: ReturnType<typeof names>) => {
      if (!covers(held, asked)) return;
      covered += 1;
      const keys = indexKeys(held);
      expect(indexKeys(asked).slice(0, keys.length)).toEqual(keys);
    };
    const tail = fc.constantFrom("", "/", "/**", "/a", "/a/**", "/a/*/b", "/*", "/a/b/");
    const front = fc.constantFrom("", "GET ", "http://", "HEAD http://");
    fc.assert(
      fc.property(pairs(HOST_LETTERS), tail, tail, front, front, ([held, asked], one, other, f, g) => {
        check(names(held), names(asked));
        check(files(held), files(asked));
        const url = (before: string, pattern: Pattern, path: string) =>
          parseCapability(`net:http:${before}${hosts(pattern).text.slice("net:http:".length)}${path}`);
        check(url(f, held, one), url(g, asked, other));
      }),
      { numRuns: 10_000 },
    );
    expect(covered).toBeGreaterThan(5_000);
  });
});

/** Every name of at most `segmentsMax` segments of at most `lengthMax` letters. */
function shortNames(letters: readonly string[], lengthMax: number, segmentsMax: number): string[] {
  let segments: string[] = [""];
  const all: string[] = [];
  for (let length = 1; length <= lengthMax; length += 1) {
    segments = segments.flatMap((start) => letters.map((letter) => start + letter));
    all.push(...segments);
  }
  let names: string[] = [...all];
  const found = [...all];
  for (let count = 2; count <= segmentsMax; count += 1) {
    names = names.flatMap((name) => all.map((segment) => `${name}/${segment}`));
    found.push(...names);
  }
  return found;
}
