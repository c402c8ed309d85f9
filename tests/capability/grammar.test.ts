import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  capability,
  covers,
  formatCapability,
  parseCapability,
  parseRequirement,
} from "../../src/model/capability/index.js";
import { refusalOf } from "./refusals.js";

const accepted: readonly (readonly [text: string, canonical: string, wildcards: number])[] = [
  ["fs:read", "fs:read", 17],
  ["fs:*", "fs:*", 17],
  ["fs:read:/", "fs:read:/", 0],
  ["fs:read:/workspace/**", "fs:read:/workspace/**", 1],
  ["fs:read:/**", "fs:read:/**", 1],
  ["fs:read:/a/**/**/b", "fs:read:/a/**/b", 1],
  ["fs:*:/a/*/b*c*", "fs:*:/a/*/b*c*", 4],
  ["fs:read:/a/\\*\\*/b\\\\c", "fs:read:/a/\\*\\*/b\\\\c", 0],
  ["fs:read:/a b/c:d/e\u0301", "fs:read:/a b/c:d/e\u0301", 0],
  ["fs:read:/a/.../.x/..y", "fs:read:/a/.../.x/..y", 0],
  ["os:process:git", "os:process:git", 0],
  ["os:process:/usr/bin/git", "os:process:/usr/bin/git", 0],
  ["os:process:**", "os:process:**", 1],
  ["mcp:call:filesystem/read_text_file", "mcp:call:filesystem/read_text_file", 0],
  ["mcp:read:files/file:\\/\\/\\/etc\\/passwd", "mcp:read:files/file:\\/\\/\\/etc\\/passwd", 0],
  ["memory:write:notes/**", "memory:write:notes/**", 1],
  ["code:execute:summarise", "code:execute:summarise", 0],
  ["crm:update:accounts/*", "crm:update:accounts/*", 1],
  ["a-b_1:c-d_2:cafe\u0301", "a-b_1:c-d_2:caf\u00e9", 0],
];

const refused: readonly (readonly [text: string, position: number, why: string])[] = [
  ["", 0, "no domain"],
  ["fs", 2, "no action"],
  [":read", 0, "empty domain"],
  ["FS:read", 0, "upper-case domain"],
  ["1s:read", 0, "domain that begins with a digit"],
  [" fs:read", 0, "space in front"],
  ["*:read", 0, "wildcard for a domain"],
  ["fs:", 3, "empty action"],
  ["fs:Read", 3, "upper-case action"],
  ["fs:re*", 5, "wildcard within an action"],
  ["fs:**", 4, "`**` for an action"],
  ["fs:read ", 7, "space behind"],
  ["fs:read:", 8, "empty resource"],
  ["fs:read:relative", 8, "relative path"],
  ["fs:read:**", 8, "`**` where resources are paths"],
  ["fs:read://a", 9, "empty first segment"],
  ["fs:read:/a//b", 11, "empty segment"],
  ["fs:read:/a/", 11, "trailing slash"],
  ["fs:read:/a/./b", 11, "dot segment"],
  ["fs:read:/a/../b", 11, "dot dot segment"],
  ["fs:read:/..", 9, "dot dot at the root"],
  ["fs:read:/a/**b", 12, "`**` beside other characters"],
  ["fs:read:/a/b**", 13, "`**` beside other characters"],
  ["fs:read:/a/***", 12, "three stars"],
  ["fs:read:/a\\b", 11, "escape of a letter"],
  ["fs:read:/a\\/b", 11, "slash inside a path segment"],
  ["fs:read:/a\\", 11, "escape of nothing"],
  ["fs:read:/a\0", 10, "NUL"],
  ["fs:read:/a\nb", 10, "line feed"],
  ["fs:read:/a\x7f", 10, "DEL"],
  ["fs:read:/a\x85", 10, "C1 control"],
  ["fs:read:/a\ud800", 10, "lone high surrogate"],
  ["fs:read:/a\udc00b", 10, "lone low surrogate"],
  ["fs:read:/a\udc00\udc00", 10, "two low surrogates"],
  ["crm:update:/accounts", 11, "slash in front of a name"],
  ["crm:update:accounts/", 20, "slash behind a name"],
  ["memory:read:a/../b", 14, "dot dot in a key"],
  ["os:process:bin/git", 14, "relative path of a program"],
];

describe("C4: text has one canonical form", () => {
  it.each(accepted)("%j is read and written as %j, %i wildcards", (text, canonical, wildcards) => {
    const parsed = parseCapability(text);
    expect(parsed.text).toBe(canonical);
    expect(parsed.wildcards).toBe(wildcards);
    expect(parseCapability(parsed.text)).toEqual(parsed);
    expect(formatCapability(text)).toBe(canonical);
    expect(formatCapability(parsed)).toBe(canonical);
  });

  it.each(refused)("refuses %j at %i: %s", (text, position) => {
    const refusal = refusalOf(() => parseCapability(text));
    expect(refusal.position).toBe(position);
    expect(refusal.expected).not.toBe("");
  });

  it("says what was found without showing characters that draw nothing", () => {
    expect(refusalOf(() => parseCapability("fs:read:/a\u0007")).found).toBe("U+0007");
    expect(refusalOf(() => parseCapability("fs")).found).toBe("end of text");
    expect(refusalOf(() => parseCapability("fs:X")).found).toBe("`X`");
  });

  it.each([undefined, null, 7, {}, ["fs:read"]])("refuses %j, which is no text", (value) => {
    const parse: (text: never) => unknown = parseCapability;
    refusalOf(() => parse(value as never));
  });

  it("bounds characters, segments and wildcards", () => {
    const path = (segments: readonly string[]) => `fs:read:/${segments.join("/")}`;
    expect(parseCapability(`fs:read:/${"a".repeat(1015)}`).text).toHaveLength(1024);
    refusalOf(() => parseCapability(`fs:read:/${"a".repeat(1016)}`));
    parseCapability(path(new Array<string>(64).fill("a")));
    refusalOf(() => parseCapability(path(new Array<string>(65).fill("a"))));
    expect(parseCapability(path(new Array<string>(16).fill("*"))).wildcards).toBe(16);
    refusalOf(() => parseCapability(path(new Array<string>(17).fill("*"))));
    refusalOf(() => parseCapability(path(new Array<string>(16).fill("*")).replace("read", "*")));
  });

  it("bounds the canonical form too, which escaping and percent-encoding lengthen", () => {
    refusalOf(() => capability("crm", "update", "*".repeat(600)));
    refusalOf(() => parseCapability(`net:http:h.example/${"é".repeat(300)}`));
  });

  it("gives frozen values", () => {
    const parsed = parseCapability("fs:read:/a/*b*/**");
    const isDeeplyFrozen = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));
    expect(isDeeplyFrozen(parsed)).toBe(true);
    expect(isDeeplyFrozen(parseCapability("net:http:*.example.com/**/a"))).toBe(true);
  });

  it("never accepts control characters or lone surrogates, whatever else is typed", () => {
    const text = fc.array(fc.oneof(fc.constantFrom(..."/*\\:. a\0\n\x1b\x7f\x9f\ud800\udfffé"), fc.string()));
    const head = fc.constantFrom(
      "fs:read:/",
      "crm:update:",
      "net:http:h.example/",
      "net:http:",
      "os:process:",
      "",
    );
    let kept = 0;
    fc.assert(
      fc.property(head, text, (start, parts) => {
        let canonical: string;
        try {
          canonical = parseCapability(start + parts.join("")).text;
        } catch (error) {
          expect(error).toHaveProperty("code", "invalid_capability");
          return;
        }
        kept += 1;
        expect(canonical).not.toMatch(/\p{Cc}|\p{Cs}/u);
        expect(parseCapability(canonical).text).toBe(canonical);
      }),
      { numRuns: 10_000 },
    );
    expect(kept).toBeGreaterThan(300);
  });
});

describe("C5: files are exact, other names are NFC", () => {
  const nfc = "caf\u00e9";
  const nfd = "cafe\u0301";

  it("keeps the two spellings of a file apart", () => {
    expect(covers(`fs:read:/${nfc}`, `fs:read:/${nfd}`)).toBe(false);
    expect(covers(`fs:read:/${nfd}/**`, `fs:read:/${nfc}/a`)).toBe(false);
    expect(capability("fs", "read", `/${nfd}`)).toBe(`fs:read:/${nfd}`);
  });

  it("keeps the two spellings of a program apart, since a program is a file", () => {
    expect(covers(`os:process:${nfc}`, `os:process:${nfd}`)).toBe(false);
    expect(covers(`os:process:/bin/${nfc}`, `os:process:/bin/${nfd}`)).toBe(false);
  });

  it("is case-sensitive", () => {
    expect(covers("fs:read:/A/**", "fs:read:/a/b")).toBe(false);
  });

  it("makes two spellings of any other name one", () => {
    expect(covers(`memory:read:${nfc}`, `memory:read:${nfd}`)).toBe(true);
    expect(formatCapability(`mcp:call:s/${nfd}`)).toBe(`mcp:call:s/${nfc}`);
    expect(capability("mcp", "call", "s", nfd)).toBe(`mcp:call:s/${nfc}`);
  });

  it("keeps every NFD twin of a random file name another file", () => {
    const name = fc.string({ unit: fc.constantFrom("a", "é", "ñ", "Å", "ü", "가"), minLength: 1 });
    fc.assert(
      fc.property(name, (text) => {
        const twin = text.normalize("NFD");
        expect(covers(capability("fs", "read", `/${text}`), capability("fs", "read", `/${twin}`))).toBe(
          twin === text,
        );
      }),
    );
  });
});

describe("the action `*` is for grants only", () => {
  it("is refused in a requirement, and read in a grant", () => {
    expect(parseCapability("fs:*:/a").action).toBe("*");
    expect(refusalOf(() => parseRequirement("fs:*:/a")).position).toBe(3);
    expect(parseRequirement("fs:read:/a/**").text).toBe("fs:read:/a/**");
  });
});
