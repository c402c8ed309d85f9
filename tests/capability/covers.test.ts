import { describe, expect, it } from "vitest";
import { covers, indexKeys, overlaps, parseCapability } from "../../src/model/capability/index.js";
import { refusalOf } from "./refusals.js";

type Case = readonly [grant: string, requirement: string, covered: boolean];
const check = (cases: readonly Case[]) => {
  it.each(cases)("%s ⊇ %s: %s", (grant, requirement, covered) => {
    expect(covers(grant, requirement)).toBe(covered);
    expect(covers(parseCapability(grant), parseCapability(requirement))).toBe(covered);
  });
};

describe("C1: segments and wildcards", () => {
  check([
    ["fs:read:/a/**", "fs:read:/a", true],
    ["fs:read:/a/**", "fs:read:/a/b/c", true],
    ["fs:read:/a/*", "fs:read:/a/b", true],
    ["fs:read:/a/*", "fs:read:/a/b/c", false],
    ["fs:read:/a/*", "fs:read:/a", false],
    ["fs:read:/**/b", "fs:read:/b", true],
    ["fs:read:/a/**/z", "fs:read:/a/z", true],
    ["fs:read:/a/**/z", "fs:read:/a/b/c/z", true],
    ["fs:read:/a*c", "fs:read:/ac", true],
    ["fs:read:/a*c", "fs:read:/a/c", false],
    ["fs:read:/*.md", "fs:read:/.md", true],
    ["fs:read:/a?", "fs:read:/ab", false],
    ["fs:read:/{a,b}", "fs:read:/a", false],
    ["fs:read:/[ab]", "fs:read:/a", false],
    ["fs:read:/\\*", "fs:read:/a", false],
    ["fs:read:/\\*", "fs:read:/\\*", true],
    ["fs:read:/*", "fs:read:/\\*", true],
    ["mcp:call:s/*", "mcp:call:s/a\\/b", true],
    ["mcp:call:s/a/b", "mcp:call:s/a\\/b", false],
    ["mcp:call:s/a\\/b", "mcp:call:s/a/b", false],
  ]);
});

describe("C2: no resource", () => {
  check([
    ["fs:read", "fs:read:/a", true],
    ["fs:read", "fs:read", true],
    ["fs:read:/**", "fs:read", true],
    ["fs:read", "fs:read:/**", true],
    ["fs:read:/**", "fs:read:/", true],
    ["fs:read:/*/**", "fs:read", false],
    ["fs:read:/a/**", "fs:read", false],
    ["crm:update:**", "crm:update", true],
    ["crm:update:*", "crm:update", false],
    ["os:process:**", "os:process", true],
    ["os:process:**", "os:process:/bin/sh", true],
    ["os:process:**", "os:process:sh", true],
    ["os:process:/**", "os:process", false],
    ["os:process:/**", "os:process:sh", false],
    ["os:process:*", "os:process:/bin/sh", false],
    ["os:process:*", "os:process", false],
    ["net:http", "net:http", true],
    ["net:http", "net:http:POST http://10.0.0.1:8080/x", true],
    ["net:http:**", "net:http", false],
  ]);
});

describe("C3: nothing matches by prefix of text", () => {
  check([
    ["fs:read", "fs:readall", false],
    ["fs:readall", "fs:read", false],
    ["fs:read:/a", "fs:read:/ab", false],
    ["fs:read:/a/**", "fs:read:/ab/c", false],
    ["fs:read:/a", "fs:read:/a/b", false],
    ["mcp:call:server", "mcp:call:server/tool", false],
    ["f:read", "fs:read", false],
    ["fs:read", "fs:write", false],
    ["fs:*:/a", "fs:delete:/a", true],
    ["fs:*", "net:http", false],
    ["fs:read:/a", "fs:*:/a", false],
    ["fs:*:/a", "fs:*:/a", true],
  ]);
});

describe("C8: a pattern is covered only when all that it names is", () => {
  check([
    ["fs:read:/a/**", "fs:read:/a/*/c", true],
    ["fs:read:/a/**", "fs:read:/**", false],
    ["fs:read:/a/*", "fs:read:/a/**", false],
    ["fs:read:/*/b", "fs:read:/**/b", false],
    ["fs:read:/**/*", "fs:read:/*/**", true],
    ["fs:read:/*/**", "fs:read:/**/*", true],
    ["fs:read:/**/*/*", "fs:read:/*/**", false],
    ["fs:read:/a*", "fs:read:/ab*", true],
    ["fs:read:/ab*", "fs:read:/a*", false],
    ["fs:read:/*a*", "fs:read:/*bab*", true],
    ["fs:read:/*ab*", "fs:read:/*a*b*", false],
    ["fs:read:/*a*b*", "fs:read:/*ab*", true],
    ["fs:read:/**/a/**/b", "fs:read:/a/**/a/b", true],
    ["fs:read:/**/a/b/**", "fs:read:/a/**/b", false],
  ]);

  it("refuses texts that are not capabilities instead of answering no", () => {
    refusalOf(() => covers("fs:read:/a/..", "fs:read:/a"));
    refusalOf(() => covers("fs:read:/**", "fs:read:/a/../b"));
  });

  it("stays within its bound on the patterns that make backtracking explode", () => {
    const wide = `fs:read:/${new Array<string>(8).fill("**/a").join("/")}/b`;
    const deep = `fs:read:/${new Array<string>(63).fill("a").join("/")}`;
    expect(covers(wide, deep)).toBe(false);
    expect(covers(`crm:update:${"*a".repeat(16)}b`, `crm:update:${"a".repeat(900)}`)).toBe(false);
  });
});

describe("except: overlap", () => {
  it.each([
    ["fs:read:/a/**", "fs:read:/**/b", true],
    ["fs:read:/a/**", "fs:read:/b/**", false],
    ["fs:read:/a/*", "fs:read:/a/*/b", false],
    ["fs:read:/a*", "fs:read:/*b", true],
    ["fs:read:/*a", "fs:read:/*b", false],
    ["fs:read:/*/x/**", "fs:read:/a/**/y", true],
    ["fs:read:/*/x", "fs:read:/a/**/y", false],
    ["fs:read", "fs:read:/a", true],
    ["fs:read:/a", "fs:write:/a", false],
    ["fs:*:/a", "fs:write:/a", true],
    ["os:process:*", "os:process:/bin/sh", false],
    ["os:process:**", "os:process:/bin/sh", true],
    ["net:http:h.example", "net:http:GET h.example/a", true],
    ["net:http:h.example", "net:http:POST h.example/a", false],
    ["net:http:h.example", "net:http:http://h.example", false],
    ["net:http:**", "net:http:10.0.0.1", false],
    ["net:http", "net:http:10.0.0.1", true],
    ["net:http:h.example/a", "net:http:h.example/a/", false],
    ["net:http:h.example/a/**", "net:http:h.example/a/", true],
  ])("%s and %s: %s", (one, other, expected) => {
    expect(overlaps(parseCapability(one), parseCapability(other))).toBe(expected);
    expect(overlaps(parseCapability(other), parseCapability(one))).toBe(expected);
  });
});

describe("index keys", () => {
  it.each([
    ["fs:read", []],
    ["fs:read:/", []],
    ["fs:read:/a/b", ["a", "b"]],
    ["fs:read:/a/**", ["a"]],
    ["fs:read:/a/b*/c", ["a"]],
    ["os:process:git", ["git"]],
    ["os:process:/bin/git", ["/", "bin", "git"]],
    ["os:process:**", []],
    ["mcp:call:s/a\\/b", ["s", "a/b"]],
    ["net:http:POST http://api.example.com:81/v1/*", ["com", "example", "api", "/", "v1"]],
    ["net:http:api.example.com", ["com", "example", "api", "/"]],
    ["net:http:*.example.com/v1", ["com", "example"]],
    ["net:http:10.0.0.1/v1", ["10.0.0.1", "/", "v1"]],
  ])("of %s are %j", (text, keys) => {
    expect(indexKeys(parseCapability(text))).toEqual(keys);
  });
});
