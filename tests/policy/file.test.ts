import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capability, covers, parseCapability, parseScope } from "../../src/model/capability/index.js";
import { DocumentError } from "../../src/model/errors.js";
import { parsePolicy } from "../../src/policy/file.js";

const team = `# yaml-language-server: $schema=../schemas/policy.schema.json
version: 1
name: team
root: ../project
contracts:
  sources:
    capability: fs:read:./src/**
    issued_to: "reader-*"
    expires: 30d
    delegable: true
agents:
  reader-1:
    - fs:read:./src/**
    - capability: fs:read:/etc/hosts
      contract: sources
  writer:
    - capability: fs:write
      scope: ./out/**
      expires: 2027-01-01T00:00:00Z
      constraints:
        max_uses: 3
        except: [./out/private/**, /srv/**]
        when: agent == "writer"
    - net:http:GET API.example.com/v1/**
  idle: []
`;

function problem(
  text: string,
  file = "/home/p.yaml",
): { at: string; message: string; hint: string | undefined } {
  try {
    parsePolicy(text, file);
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    const { code, line, column, message, hint } = error as DocumentError;
    expect(code).toBe("invalid_policy");
    expect(message.startsWith(`${file}:${line}:${column}: `)).toBe(true);
    return { at: `${line}:${column}`, message: message.replace(/^\S+: /, ""), hint };
  }
  throw new Error("nothing was thrown");
}

const grants = (...lines: string[]): string =>
  ["version: 1", "agents:", "  a:", ...lines.map((line) => `    ${line}`)].join("\n");

describe("a policy file", () => {
  const policy = parsePolicy(team, "/home/policies/team.yaml");

  it("is read into contracts and grants in canonical form, each with its place", () => {
    expect(policy).toMatchObject({ file: "/home/policies/team.yaml", name: "team", root: "/home/project" });
    expect(policy.contracts).toEqual([
      {
        name: "sources",
        capability: "fs:read:/home/project/src/**",
        scope: undefined,
        constraints: {},
        expires: "30d",
        delegable: true,
        issuedTo: "reader-*",
        position: { line: 7, column: 5 },
      },
    ]);
    expect(
      policy.grants.map(({ agent, capability: text, contract, position }) => [
        agent,
        text,
        contract,
        position.line,
      ]),
    ).toEqual([
      ["reader-1", "fs:read:/home/project/src/**", undefined, 13],
      ["reader-1", "fs:read:/etc/hosts", "sources", 14],
      ["writer", "fs:write", undefined, 17],
      ["writer", "net:http:GET api.example.com/v1/**", undefined, 24],
    ]);
    expect(policy.grants[2]).toMatchObject({
      scope: "/home/project/out/**",
      expires: "2027-01-01T00:00:00Z",
      delegable: false,
      constraints: {
        max_uses: 3,
        except: ["/home/project/out/private/**", "/srv/**"],
        when: 'agent == "writer"',
      },
    });
  });

  it("is frozen", () => {
    for (const value of [
      policy,
      policy.grants,
      policy.grants[2],
      policy.grants[2]?.constraints,
      policy.contracts[0],
      policy.source,
    ]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it("takes its name and its root from the file when it names none", () => {
    expect(parsePolicy("version: 1", "/srv/acme/prod.policy.yaml")).toMatchObject({
      name: "prod.policy",
      root: "/srv/acme",
      grants: [],
    });
    expect(parsePolicy("version: 1\nroot: /data", "/srv/p.yaml").root).toBe("/data");
    expect(problem("version: 1", "/srv/my policy.yaml".replace(" ", "\u00a0"))).toMatchObject({
      at: "1:1",
      hint: "give the policy a `name`",
    });
  });
});

describe("relative paths", () => {
  const grantIn = (folder: string, text: string) =>
    parsePolicy(grants(`- ${text}`), `${folder}/p.yaml`).grants[0]?.capability;

  it("stand below the root, in capabilities of fs alone", () => {
    expect(grantIn("/w", "fs:read:.")).toBe("fs:read:/w");
    expect(grantIn("/w", "fs:*:./**")).toBe("fs:*:/w/**");
    expect(grantIn("", "fs:read:./a")).toBe("fs:read:/a");
    expect(grantIn("", "fs:read:.")).toBe("fs:read:/");
    expect(problem(grants("- memory:read:./a"))).toMatchObject({ at: "4:19" });
  });

  it("a folder that is called like a pattern is that folder and no other", () => {
    expect(grantIn("/w/*", "fs:read:./a/**")).toBe("fs:read:/w/\\*/a/**");
    const name = fc.string({
      unit: fc.constantFrom("*", "\\", "a", "b", " ", "é"),
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(name, name, (folder, other) => {
        const text = grantIn(`/w/${folder}`, "fs:read:./**") ?? "";
        expect(covers(text, capability("fs", "read", `/w/${folder}/file`))).toBe(true);
        expect(covers(text, capability("fs", "read", `/w/${other}/file`))).toBe(other === folder);
        const { scope } =
          parsePolicy(grants("- {capability: fs:read, scope: ./x/**}"), `/w/${folder}/p.yaml`).grants[0] ??
          {};
        const inside = parseScope(parseCapability("fs:read"), scope ?? "").text;
        expect(covers(inside, capability("fs", "read", `/w/${folder}/x/y`))).toBe(true);
        expect(covers(inside, capability("fs", "read", `/w/${other}/x/y`))).toBe(other === folder);
      }),
    );
  });

  it("do not climb out", () => {
    expect(problem(grants("- fs:read:../a"))).toMatchObject({
      at: "4:15",
      hint: "paths begin with / or ./ ; set `root` for another folder",
    });
    expect(problem(grants("- fs:read:./../a"))).toMatchObject({ at: "4:17" });
    expect(problem(grants("- {capability: fs:read, scope: ./a/../../b}"))).toMatchObject({ at: "4:40" });
  });
});

describe("what is wrong is said with its place", () => {
  it.each<[string, string, string, string, string?]>([
    [
      "YAML syntax",
      "version: 1\nagents: {",
      "2:10",
      "the document is not valid YAML: flow map in block collection must be sufficiently indented and end with a }",
      "look at the indentation, brackets and quotes here and on the line before; text with `: ` or ` #` needs quotes",
    ],
    [
      "a tab",
      "version: 1\nagents:\n\ta: {}",
      "3:1",
      "the document is not valid YAML: tabs are not allowed as indentation",
      "indent with spaces",
    ],
    ["no version", "agents: {}", "1:1", "`version` is missing"],
    ["another version", "version: 2", "1:10", "`version` must be 1"],
    ["an unknown key", "version: 1\nagent: {}", "2:1", "unknown key `agent`", "did you mean `agents`?"],
    [
      "a bad name",
      "version: 1\nname: -x",
      "2:7",
      "`name` must begin with a letter or digit and hold only letters, digits and . _ @ : - (at most 128)",
    ],
    ["an empty root", "version: 1\nroot: ''", "2:7", "`root` must not be empty"],
    [
      "a bad agent id",
      "version: 1\nagents: {'*': []}",
      "2:10",
      "`*` must begin with a letter or digit and hold only letters, digits and . _ @ : - (at most 128)",
    ],
    [
      "one grant that is no list",
      "version: 1\nagents: {a: fs:read}",
      "2:13",
      "`agents.a` must be a list, not text",
    ],
    ["a grant that is a number", grants("- 5"), "4:7", "`agents.a[0]` must be text or a map, not a number"],
    ["a grant without a capability", grants("- {scope: /a}"), "4:7", "`agents.a[0].capability` is missing"],
    [
      "an unknown key of a grant",
      grants("- {capability: fs:read, scop: /a}"),
      "4:29",
      "unknown key `scop`",
      "did you mean `scope`?",
    ],
    [
      "an unknown key of a contract",
      "version: 1\ncontracts: {c: {capability: fs:read, contract: x}}",
      "2:38",
      "unknown key `contract`",
      "the keys are: capability, scope, issued_to, expires, constraints, delegable",
    ],
    [
      "a bad capability, at the character",
      grants("- fs:read:/a//b"),
      "4:18",
      "invalid capability `fs:read:/a//b` at 11: found `/`, expected a segment that is not empty",
    ],
    [
      "a bad capability in a long form",
      grants("- {capability: 'Fs:read'}"),
      "4:21",
      "invalid capability `Fs:read` at 0: found `F`, expected a domain in lower case",
    ],
    ["a bad scope", grants("- {capability: 'net:http', scope: 'a b c'}"), "4:40", ""],
    [
      "a bad issued_to",
      "version: 1\ncontracts: {c: {capability: fs:read, issued_to: 'a b'}}",
      "2:49",
      "`contracts.c.issued_to` must be an agent id, or a pattern of ids with `*`",
    ],
    [
      "a bad expiry",
      grants("- {capability: fs:read, expires: tomorrow}"),
      "4:38",
      "`tomorrow` is not an RFC 3339 date and time with a zone",
      "for example 2026-11-22T09:30:00Z",
    ],
    [
      "a date that does not exist",
      grants("- {capability: fs:read, expires: 2026-02-30T00:00:00Z}"),
      "4:38",
      "`2026-02-30T00:00:00Z` is not an RFC 3339 date and time with a zone",
      "for example 2026-11-22T09:30:00Z",
    ],
    [
      "an unknown contract",
      `contracts: {sources: {capability: fs:read}}\n${grants("- {capability: fs:read, contract: source}")}`,
      "5:39",
      "unknown contract `source`",
      "did you mean `sources`?",
    ],
    [
      "an inherited name as contract",
      grants("- {capability: fs:read, contract: constructor}"),
      "4:39",
      "unknown contract `constructor`",
      "declare it under `contracts`",
    ],
    [
      "the same grant twice",
      grants("- fs:read:/a", "- fs:write:/a", "- {capability: 'fs:read:/a', expires: 1d}"),
      "6:7",
      "agent `a` has `fs:read:/a` twice",
      "it is first given in line 4",
    ],
    [
      "the same grant in another spelling",
      grants("- net:http:a.example", "- net:http:A.EXAMPLE"),
      "5:7",
      "agent `a` has `net:http:a.example` twice",
      "it is first given in line 4",
    ],
  ])("%s", (_, text, at, message, hint) => {
    const found = problem(text);
    expect(found.at).toBe(at);
    if (message !== "") expect(found).toEqual({ at, message, hint });
  });

  it("constraints are refused at the constraint", () => {
    const constrained = (line: string) => grants("- capability: fs:read:/a", "  constraints:", `    ${line}`);
    expect(problem(constrained("max_use: 1"))).toMatchObject({
      at: "6:9",
      message: "unknown constraint `max_use`",
    });
    expect(problem(constrained("max_uses: -1"))).toMatchObject({ at: "6:9" });
    expect(problem(constrained("rate: {limit: 1, per: often}"))).toMatchObject({ at: "6:26" });
    expect(problem(constrained("when: 'now('"))).toMatchObject({ at: "6:9" });
    expect(problem(constrained("unconfined: true"))).toMatchObject({ at: "6:9" });
  });

  it("grants that differ in scope or constraints are different grants", () => {
    const text = grants(
      "- fs:read",
      "- {capability: fs:read, scope: /a}",
      "- {capability: fs:read, constraints: {max_uses: 1}}",
      "- {capability: fs:read, constraints: {max_uses: 2}}",
    );
    expect(parsePolicy(`${text}\n  b: [fs:read]`, "/w/p.yaml").grants).toHaveLength(5);
  });

  it("of several problems the first in the document is reported", () => {
    expect(
      problem(
        grants(
          "- fs:read:/a",
          "- {capability: fs:read, expires: x}",
          "- Bad",
          "- {capability: fs:read, contract: no}",
        ),
      ),
    ).toMatchObject({ at: "5:38" });
  });
});
