import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  covers,
  exceptPattern,
  overlaps,
  parseCapability,
  parseScope,
} from "../../src/model/capability/index.js";
import { arbitraryRelatives, printPattern } from "../oracle/pattern-arbitrary.js";
import { refusalOf } from "./refusals.js";

const scoped = (of: string, scope: string) => parseScope(parseCapability(of), scope);

describe("A4: a scope is a resource in the capability's own domain", () => {
  it.each([
    ["fs:read:/workspace/**", "/workspace/docs/**", "fs:read:/workspace/docs/**"],
    ["fs:*", "/workspace/docs/**", "fs:*:/workspace/docs/**"],
    ["fs:read:/workspace/**", "**", "fs:read"],
    ["fs:read:/workspace/**", "/**", "fs:read:/**"],
    ["mcp:call:s/*", "s/re*", "mcp:call:s/re*"],
    ["crm:update", "**", "crm:update"],
    ["net:http:h.example", "h.example/a/**", "net:http:h.example/a/**"],
    ["net:http", "h.example", "net:http:h.example"],
    ["net:http", "**", "net:http"],
    ["net:http:POST h.example", "h.example/a", "net:http:POST h.example/a"],
    ["net:http:POST h.example", "PUT h.example/a", "net:http:PUT h.example/a"],
    ["net:http:http://h.example:81/**", "h.example/a", "net:http:http://h.example:81/a"],
    ["net:http:http://h.example:81/**", "https://h.example/a", "net:http:h.example/a"],
    ["net:http:https://h.example:444/**", "https://h.example/a", "net:http:h.example:444/a"],
    ["net:http:h.example:444/**", "h.example:445/a", "net:http:h.example:445/a"],
  ])("of %s, %s is %s", (of, scope, text) => {
    expect(scoped(of, scope).text).toBe(text);
  });

  it.each([
    ["fs:read:/workspace/**", ""],
    ["fs:read:/workspace/**", "workspace/docs"],
    ["fs:read:/workspace/**", "/workspace/../etc"],
    ["fs:read:/workspace/**", "fs:read:/workspace"],
    ["crm:update:a", ""],
    ["crm:update:a", "/a"],
    ["net:http:h.example", "ftp://h.example"],
    ["net:http:h.example", ""],
  ])("of %s, %j is refused", (of, scope) => {
    expect(refusalOf(() => scoped(of, scope)).input).toBe(scope);
    expect(refusalOf(() => exceptPattern(parseCapability(of), scope)).input).toBe(scope);
  });

  it("together with its capability never reaches further than the capability", () => {
    const of = parseCapability("net:http:POST h.example/a/**");
    expect(covers(scoped(of.text, "**"), parseCapability("net:http:DELETE h.example/b"))).toBe(true);
    expect(covers(of, parseCapability("net:http:DELETE h.example/b"))).toBe(false);
  });

  it("gives what parsing the whole text gives, for every pattern of files and names", () => {
    fc.assert(
      fc.property(arbitraryRelatives(["a", "b", "*"]), ([one, other]) => {
        const scope = printPattern(other);
        expect(scoped(`fs:read:/${printPattern(one)}`, `/${scope}`)).toEqual(
          parseCapability(`fs:read:/${scope}`),
        );
        if (scope === "**") return;
        expect(scoped("crm:update", scope)).toEqual(parseCapability(`crm:update:${scope}`));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("K, except: an exception errs on the wide side", () => {
  const excepts = (of: string, pattern: string, requirement: string) =>
    overlaps(exceptPattern(parseCapability(of), pattern), parseCapability(requirement));

  it.each([
    ["fs:write:/w/**", "/w/secret/**", "fs:write:/w/secret", true],
    ["fs:write:/w/**", "/w/secret/**", "fs:write:/w/secret/key", true],
    ["fs:write:/w/**", "/w/secret/**", "fs:write:/w/open", false],
    ["fs:write:/w/**", "/w/secret/**", "fs:write:/w/**", true],
    ["fs:*:/w/**", "/w/secret", "fs:delete:/w/secret", true],
    ["fs:write:/w/**", "**", "fs:write:/w/open", true],
    ["net:http:POST **", "intranet.example", "net:http:POST intranet.example/a", true],
    ["net:http", "intranet.example", "net:http:http://intranet.example/", true],
    ["net:http", "intranet.example", "net:http:DELETE intranet.example:8443/", true],
    ["net:http", "intranet.example/admin/**", "net:http:POST intranet.example/admin", true],
    ["net:http", "intranet.example/admin/**", "net:http:POST intranet.example/open", false],
    ["net:http", "intranet.example/admin/**", "net:http:POST intranet.example", true],
    ["net:http", "POST intranet.example", "net:http:POST intranet.example/a", true],
    ["net:http", "POST intranet.example", "net:http:GET intranet.example/a", false],
    ["net:http", "http://intranet.example", "net:http:http://intranet.example:81/", true],
    ["net:http", "http://intranet.example", "net:http:intranet.example/", false],
    ["net:http", "intranet.example:444", "net:http:intranet.example/", false],
    ["net:http", "**/admin/**", "net:http:10.0.0.1/admin/x", true],
    ["net:http", "*.example", "net:http:a.example/x", true],
    ["net:http", "*.example", "net:http:a.b.example/x", false],
    ["net:http", "127.0.0.1", "net:http:GET http://127.0.0.1:81/", true],
  ])("of %s, %s shuts out %s: %s", (of, pattern, requirement, expected) => {
    expect(excepts(of, pattern, requirement)).toBe(expected);
  });

  it("writes what it leaves open where a person can see it", () => {
    const pattern = (text: string) => exceptPattern(parseCapability("net:http"), text).text;
    expect(pattern("intranet.example")).toBe("net:http:* *://intranet.example:*");
    expect(pattern("POST http://intranet.example:81/a")).toBe("net:http:POST http://intranet.example:81/a");
    expect(pattern("**/admin/**")).toBe("net:http:* *://**:*/admin/**");
  });

  it("shuts out all that the same text would grant", () => {
    const requirement = fc
      .tuple(
        fc.constantFrom("", "GET ", "POST "),
        fc.constantFrom("", "http://"),
        fc.constantFrom("h.example", "*.example", "a.h.example", "**"),
        fc.constantFrom("", ":81"),
        fc.constantFrom("", "/", "/a", "/a/**", "/*/b/"),
      )
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(requirement, requirement, (pattern, asked) => {
        const granted = parseCapability(`net:http:${pattern}`);
        const wanted = parseCapability(`net:http:${asked}`);
        if (overlaps(granted, wanted)) expect(excepts("net:http", pattern, wanted.text)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});
