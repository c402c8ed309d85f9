import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capability, covers, parseCapability, parseRequirement } from "../../src/model/capability/index.js";
import { refusalOf } from "./refusals.js";

describe("C7: data enters a capability only escaped", () => {
  it.each<[string, string, string[], string]>([
    ["fs", "read", [], "fs:read"],
    ["fs", "read", ["/"], "fs:read:/"],
    ["fs", "read", ["/a/**"], "fs:read:/a/\\*\\*"],
    ["fs", "read", ["/a/b\\*c"], "fs:read:/a/b\\\\\\*c"],
    ["fs", "read", ["/a:b"], "fs:read:/a:b"],
    ["os", "process", ["git"], "os:process:git"],
    ["os", "process", ["*"], "os:process:\\*"],
    ["os", "process", ["/usr/bin/git"], "os:process:/usr/bin/git"],
    ["mcp", "call", ["files", "a/b"], "mcp:call:files/a\\/b"],
    ["mcp", "call", ["files", "**"], "mcp:call:files/\\*\\*"],
    ["mcp", "read", ["files", "file:///etc/../x"], "mcp:read:files/file:\\/\\/\\/etc\\/..\\/x"],
    ["crm", "update", ["accounts", "7/../8"], "crm:update:accounts/7\\/..\\/8"],
    ["code", "execute", ["a/b"], "code:execute:a\\/b"],
    ["memory", "write", ["notes/today"], "memory:write:notes/today"],
    ["memory", "write", ["notes/*"], "memory:write:notes/\\*"],
    ["memory", "write", ["notes", "a/b"], "memory:write:notes/a\\/b"],
    ["net", "http", ["https://h.example"], "net:http:h.example/"],
    ["net", "http", ["https://h.example?x=/../y"], "net:http:h.example/"],
    ["net", "http", ["https://h.example#@evil.example"], "net:http:h.example/"],
    ["net", "http", ["https://h.example/a/?q#f"], "net:http:h.example/a/"],
    ["net", "http", ["https://h.example/*/**"], "net:http:h.example/%2A/%2A%2A"],
    ["net", "http", ["POST", "HTTP://h.example:8080/a"], "net:http:POST http://h.example:8080/a"],
  ])("%s %s %j is %s", (domain, action, literals, text) => {
    expect(capability(domain, action, ...literals)).toBe(text);
    expect(parseRequirement(text).text).toBe(text);
  });

  it.each<[string, string, string[], string]>([
    ["fs", "read", ["a"], "relative path"],
    ["fs", "read", [""], "empty path"],
    ["fs", "read", ["/a/../b"], "dot dot"],
    ["fs", "read", ["/a/"], "trailing slash"],
    ["fs", "read", ["/a\0"], "NUL"],
    ["fs", "read", ["/a", "/b"], "two paths"],
    ["fs", "*", ["/a"], "the action that means all"],
    ["fs", "*", [], "the action that means all"],
    ["fs", "read:/x", ["/a"], "an action with a resource in it"],
    ["fs:read:/x", "y", ["/a"], "a domain with a resource in it"],
    ["fs:read", "x", [], "a domain with an action in it"],
    ["fs", "", ["/a"], "no action"],
    ["", "read", ["/a"], "no domain"],
    ["os", "process", ["bin/git"], "relative path of a program"],
    ["os", "process", ["../git"], "relative path of a program"],
    ["os", "process", ["git", "push"], "arguments"],
    ["mcp", "call", ["", "tool"], "empty server"],
    ["mcp", "call", ["server", ""], "empty tool"],
    ["mcp", "call", ["server", ".."], "dot dot as a name"],
    ["mcp", "call", ["server", "a\u001b[2J"], "terminal control"],
    ["memory", "read", ["/a"], "empty segment"],
    ["net", "http", ["h.example"], "no scheme"],
    ["net", "http", ["//h.example"], "no scheme"],
    ["net", "http", ["/a"], "no host"],
    ["net", "http", ["https:///a"], "no host"],
    ["net", "http", [" https://h.example"], "space in front"],
    ["net", "http", ["https://*.example/"], "wildcard in a host"],
    ["net", "http", ["https://h.example/../a"], "dot dot"],
    ["net", "http", ["https://h.exam\tple/"], "tab that URL parsers drop"],
    ["net", "http", ["https:\\\\h.example"], "backslashes that URL parsers turn"],
    ["net", "http", ["javascript://h.example/"], "another scheme"],
    ["net", "http", ["get", "https://h.example/"], "lower-case method"],
    ["net", "http", ["", "https://h.example/"], "empty method"],
    ["net", "http", ["GET evil.example/", "https://h.example/"], "method that brings its own host"],
    ["net", "http", ["GET", "https://h.example/", "x"], "too many"],
  ])("%s %s %j is refused: %s", (domain, action, literals) => {
    refusalOf(() => capability(domain, action, ...literals));
  });

  it("refuses literals that are no text", () => {
    const build: (domain: string, action: string, literal: never) => unknown = capability;
    refusalOf(() => build("fs", "read", 7 as never));
    refusalOf(() => build("crm", "update", { toString: () => "**" } as never));
  });

  it("names exactly one resource, whatever the data: distinct data, distinct capabilities", () => {
    const nasty = fc.string({ unit: fc.constantFrom("*", "\\", "/", ".", "a", ":", " ", "é"), maxLength: 8 });
    let built = 0;
    const tryBuild = (domain: string, literals: readonly string[]): string | undefined => {
      try {
        return capability(domain, "act", ...literals);
      } catch (error) {
        expect(error).toHaveProperty("code", "invalid_capability");
        return undefined;
      }
    };
    fc.assert(
      fc.property(fc.constantFrom("fs", "os", "mcp", "memory"), nasty, nasty, (domain, one, other) => {
        const prefix = domain === "fs" ? "/" : "";
        const first = tryBuild(domain, [prefix + one]);
        const second = tryBuild(domain, [prefix + other]);
        if (first === undefined || second === undefined) return;
        built += 1;
        expect(parseCapability(first).wildcards).toBe(0);
        expect(covers(first, second)).toBe(one === other);
      }),
      { numRuns: 20_000 },
    );
    expect(built).toBeGreaterThan(1_000);
  });

  it("keeps the border between two segments where it was", () => {
    const nasty = fc.string({ unit: fc.constantFrom("\\", "/", "a", "*"), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, (a, b, c, d) => {
        const same = a === c && b === d;
        expect(capability("mcp", "call", a, b) === capability("mcp", "call", c, d)).toBe(same);
      }),
      { numRuns: 20_000 },
    );
  });
});
