/** The single-server form of the gateway, as a client starts it. */
import { describe, expect, test } from "vitest";
import { wrappedServer } from "../../../src/gateway/wrap/wrapped-server.js";
import { SynapseError } from "../../../src/model/errors.js";

const remote = (env: { [name: string]: string }) =>
  wrappedServer("api", [], { SYNAPSE_MCP_URL: "https://x.example/mcp", ...env });

describe("a command behind `--`", () => {
  test("is taken word for word, with the environment that the client gave, but for Synapse's own", () => {
    const env = {
      PATH: "/bin",
      TOKEN: "t",
      SYNAPSE_DB: "/d",
      SYNAPSE_MCP_URL: "https://x.example/",
      GONE: undefined,
    };
    expect(wrappedServer("files", ["npx", "-y", "--", "${X}", ""], env)).toEqual({
      kind: "stdio",
      name: "files",
      command: "npx",
      args: ["-y", "--", "${X}", ""],
      env: { PATH: "/bin", TOKEN: "t" },
    });
  });

  test("values are frozen", () => {
    const server = wrappedServer("files", ["npx", "x"], { A: "1" });
    expect(server.kind === "stdio" && [server, server.args, server.env].every(Object.isFrozen)).toBe(true);
    const api = remote({ SYNAPSE_MCP_HEADER_1: "A: 1" });
    expect(api.kind === "http" && [api, api.headers, api.headers[0]].every(Object.isFrozen)).toBe(true);
  });
});

describe("an address in the environment", () => {
  test("with headers in the order of their numbers", () => {
    const headers = {
      SYNAPSE_MCP_HEADER_10: "C: 3",
      SYNAPSE_MCP_HEADER_2: "B: x: y",
      SYNAPSE_MCP_HEADER_1: "A: ",
    };
    expect(remote(headers)).toEqual({
      kind: "http",
      name: "api",
      url: "https://x.example/mcp",
      headers: [
        ["A", ""],
        ["B", "x: y"],
        ["C", "3"],
      ],
    });
  });
});

test("what every client sends is not sent twice", () => {
  const headers = {
    SYNAPSE_MCP_HEADER_1: "Accept: application/json",
    SYNAPSE_MCP_HEADER_2: "content-type: application/json",
    SYNAPSE_MCP_HEADER_3: "X-Key: k",
  };
  expect(remote(headers)).toMatchObject({ headers: [["X-Key", "k"]] });
});

describe("refused, without showing what may be a secret", () => {
  test.each<[string, string[], { [name: string]: string }, RegExp]>([
    ["nothing at all", [], {}, /neither a command behind `--` nor SYNAPSE_MCP_URL/],
    ["an empty command", ["", "x"], {}, /the command behind `--` is empty/],
    ["an empty address", [], { SYNAPSE_MCP_URL: "" }, /neither a command/],
    ["no URL", [], { SYNAPSE_MCP_URL: "secret" }, /SYNAPSE_MCP_URL is not a URL/],
    ["another scheme", [], { SYNAPSE_MCP_URL: "file:///secret" }, /is not http or https/],
    [
      "a password in the address",
      [],
      { SYNAPSE_MCP_URL: "https://u:secret@x.example/" },
      /holds a user or password/,
    ],
    [
      "an address that was not filled in",
      [],
      { SYNAPSE_MCP_URL: "https://x/secret/${A}" },
      /still holds `\$\{A\}`/,
    ],
  ])("%s", (_, words, env, message) => expectRefused(() => wrappedServer("api", words, env), message));

  test.each<[string, { [name: string]: string }, RegExp]>([
    [
      "a token that was not filled in",
      { SYNAPSE_MCP_HEADER_1: "A: secret ${env:T}" },
      /still holds `\$\{env:T\}`/,
    ],
    [
      "a line break that adds a header",
      { SYNAPSE_MCP_HEADER_1: "A: secret\r\nB: c" },
      /a character that a header/,
    ],
    ["a NUL", { SYNAPSE_MCP_HEADER_1: "A: secret\0" }, /a character that a header/],
    ["a character of no header", { SYNAPSE_MCP_HEADER_1: "A: secret\u{1f511}" }, /a character that a header/],
    ["no name", { SYNAPSE_MCP_HEADER_1: "secret" }, /not of the form `Name: value`/],
    ["a name with a space", { SYNAPSE_MCP_HEADER_1: "A secret: x" }, /not of the form `Name: value`/],
    ["not numbered", { SYNAPSE_MCP_HEADER_X: "A: secret" }, /SYNAPSE_MCP_HEADER_X is not numbered/],
    ["numbered oddly", { SYNAPSE_MCP_HEADER_01: "A: secret" }, /SYNAPSE_MCP_HEADER_01 is not numbered/],
    [
      "twice",
      { SYNAPSE_MCP_HEADER_1: "a: secret", SYNAPSE_MCP_HEADER_2: "A: secret" },
      /sets `A` a second time/,
    ],
    ["another host", { SYNAPSE_MCP_HEADER_1: "Host: secret" }, /sets `Host`, which is the gateway's to set/],
    ["another session", { SYNAPSE_MCP_HEADER_1: "MCP-Session-Id: secret" }, /which is the gateway's to set/],
    ["another length", { SYNAPSE_MCP_HEADER_1: "content-length: 5" }, /which is the gateway's to set/],
  ])("%s", (_, env, message) => expectRefused(() => remote(env), message));
});

function expectRefused(read: () => unknown, message: RegExp): void {
  expect(read).toThrow(SynapseError);
  expect(read).toThrow(expect.objectContaining({ code: "invalid_upstream" }));
  expect(read).toThrow(message);
  expect(read).not.toThrow(/secret/);
}
