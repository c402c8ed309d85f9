/** What each client's configuration looks like, before and after. */
import { describe, expect, test } from "vitest";
import { DocumentError, NotFoundError } from "../../../src/model/errors.js";
import { unwrapConfig, wrapConfig } from "../../../src/gateway/wrap/rewrite-config.js";

const template = { launcher: ["/bin/synapse"], agent: "assistant", db: "/d.db", anchor: undefined };
const wrap = (text: string, only?: string[]) => wrapConfig(text, "mcp.json", template, only);
const statuses = (text: string) =>
  Object.fromEntries(wrap(text).servers.map(({ name, status, why }) => [name, why ?? status]));

function expectWrapped(before: string, after: string): void {
  expect(wrap(before).text).toBe(after);
  expect(wrap(after).text).toBe(after);
  expect(unwrapConfig(after, "mcp.json").text).toBe(before);
}

describe("local servers", () => {
  test("Claude Desktop: each word on its own line, as the file has it", () => {
    expectWrapped(
      `{
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": [
        "-y",
        "@modelcontextprotocol/server-filesystem",
        "/data"
      ],
      "env": { "DEBUG": "1" }
    }
  },
  "globalShortcut": ""
}
`,
      `{
  "mcpServers": {
    "files": {
      "command": "/bin/synapse",
      "args": [
        "gateway",
        "--wrapped",
        "stdio",
        "--agent",
        "assistant",
        "--server",
        "files",
        "--db",
        "/d.db",
        "--",
        "npx",
        "-y",
        "@modelcontextprotocol/server-filesystem",
        "/data"
      ],
      "env": { "DEBUG": "1" }
    }
  },
  "globalShortcut": ""
}
`,
    );
  });

  test("VS Code: comments, inputs, placeholders, envFile and trailing commas stay", () => {
    expectWrapped(
      `{
\t// who may ask
\t"inputs": [{ "id": "key", "type": "promptString", "password": true }],
\t"servers": {
\t\t"git": {
\t\t\t"type": "stdio", "command": "uvx", // pinned
\t\t\t"args": ["mcp-server-git", /* here */ "\${workspaceFolder}"],
\t\t\t"env": { "KEY": "\${input:key}", },
\t\t\t"envFile": "\${workspaceFolder}/.env",
\t\t},
\t},
}`,
      `{
\t// who may ask
\t"inputs": [{ "id": "key", "type": "promptString", "password": true }],
\t"servers": {
\t\t"git": {
\t\t\t"type": "stdio", "command": "/bin/synapse", // pinned
\t\t\t"args": ["gateway", "--wrapped", "stdio", "--agent", "assistant", "--server", "git", "--db", "/d.db", "--", "uvx", "mcp-server-git", /* here */ "\${workspaceFolder}"],
\t\t\t"env": { "KEY": "\${input:key}", },
\t\t\t"envFile": "\${workspaceFolder}/.env",
\t\t},
\t},
}`,
    );
  });

  test("Windows line endings, and no args at all", () => {
    expectWrapped(
      '{\r\n  "mcpServers": {\r\n    "a": {\r\n      "command": "C:\\\\x.exe"\r\n    }\r\n  }\r\n}\r\n',
      '{\r\n  "mcpServers": {\r\n    "a": {\r\n      "command": "/bin/synapse",\r\n      "args": ["gateway", "--wrapped", "stdio,no-args", "--agent", "assistant", "--server", "a", "--db", "/d.db", "--", "C:\\\\x.exe"]\r\n    }\r\n  }\r\n}\r\n',
    );
  });

  test("Claude Code: servers of the user and of each project; everything else is not looked at", () => {
    const text = JSON.stringify({
      numStartups: 7,
      mcpServers: { a: { command: "a", args: [] } },
      projects: {
        "/w": {
          mcpServers: { b: { type: "stdio", command: "b", args: ["--"] } },
          history: [{ command: "no" }],
        },
        "/v": { history: [] },
      },
    });
    const { servers, text: after } = wrap(text);
    expect(servers.map(({ path, status }) => [path.join(" "), status])).toEqual([
      ["mcpServers a", "wrapped"],
      ["projects /w mcpServers b", "wrapped"],
    ]);
    expect(after).toContain('"--", "b", "--"]');
    expect(unwrapConfig(after, "mcp.json").text).toBe(text);
  });

  test.each([
    ["VS Code's settings.json", '{"mcp":{"servers":{"a":{"command":"x"}}}}'],
    ["Zed", '{"context_servers":{"a":{"command":"x"}}}'],
    ["Copilot CLI", '{"mcpServers":{"a":{"type":"local","command":"x","tools":["*"]}}}'],
  ])("%s", (_, text) => expect(statuses(text)).toEqual({ a: "wrapped" }));
});

describe("remote servers", () => {
  test("Claude Code: address and headers go to the environment, which the client fills in as before", () => {
    expectWrapped(
      `{
  "mcpServers": {
    "api": {
      "type": "http",
      "url": "https://\${HOST:-api.example}/mcp?key=abc",
      "headers": {
        "Authorization": "Bearer \${TOKEN}", // mine
        "X-Team": "a: b"
      },
      "timeout": 5
    }
  }
}`,
      `{
  "mcpServers": {
    "api": {
      "type": "stdio",
      "command": "/bin/synapse",
      "args": ["gateway", "--wrapped", "url,type=http,headers", "--agent", "assistant", "--server", "api", "--db", "/d.db", "--"],
      "env": {
        "SYNAPSE_MCP_URL": "https://\${HOST:-api.example}/mcp?key=abc",
        "SYNAPSE_MCP_HEADER_1": "Authorization: Bearer \${TOKEN}", // mine
        "SYNAPSE_MCP_HEADER_2": "X-Team: a: b"
      },
      "timeout": 5
    }
  }
}`,
    );
  });

  test.each([
    ["Cursor", "url", ""],
    ["Windsurf", "serverUrl", "serverUrl"],
    ["Gemini CLI", "httpUrl", "httpUrl"],
  ])("%s: `%s`, without headers", (_, key) => {
    expectWrapped(
      `{"mcpServers":{"a":{"${key}":"https://x.example/","headers":{}},"b":{"${key}":"https://y.example/"}}}`,
      `{"mcpServers":{"a":{"command":"/bin/synapse", "args": ["gateway", "--wrapped", "${key},headers", "--agent", "assistant", "--server", "a", "--db", "/d.db", "--"],"env":{"SYNAPSE_MCP_URL": "https://x.example/"}},"b":{"command":"/bin/synapse", "args": ["gateway", "--wrapped", "${key}", "--agent", "assistant", "--server", "b", "--db", "/d.db", "--"], "env": { "SYNAPSE_MCP_URL": "https://y.example/" }}}}`,
    );
  });
});

describe("what is left alone, and said to be", () => {
  const inA = (entry: object) => JSON.stringify({ mcpServers: { a: entry } });
  const url = "https://x.example/";
  test.each<[string, object, string]>([
    ["nothing that starts it", {}, "it has neither `command` nor an address"],
    ["two ways to start it", { command: "x", url }, "it has both `command` and an address"],
    ["two addresses", { url, httpUrl: url }, "it has more than one address"],
    ["a command that is a list", { command: ["x"] }, "`command` is not a text"],
    ["an empty command", { command: "" }, "`command` is not a text"],
    ["arguments that are one text", { command: "x", args: "y" }, "`args` is not a list of texts"],
    ["arguments that are numbers", { command: "x", args: [1] }, "`args` is not a list of texts"],
    ["a command of another type", { command: "x", type: "docker" }, "its `type` is not that of a command"],
    ["a web socket", { url: "wss://x.example/" }, "its address is not http or https"],
    ["a unix socket", { url: "unix:///x" }, "its address is not http or https"],
    ["SSE", { type: "sse", url }, "it speaks SSE, the older protocol, which the gateway does not"],
    ["another type", { type: "ws", url }, "its `type` is not that of an HTTP server"],
    ["a login of the client", { url, oauth: {} }, "the client logs in to it by itself (`oauth`)"],
    [
      "headers by a program",
      { url, headersHelper: "x" },
      "the client logs in to it by itself (`headersHelper`)",
    ],
    ["an environment of a remote server", { url, env: {} }, "it has an address and `env`"],
    ["headers that are a list", { url, headers: [] }, "`headers` is not an object"],
    ["a header that is no text", { url, headers: { A: 1 } }, "`headers` holds what is not a header"],
    [
      "a header name with a line break",
      { url, headers: { "A\r\nB": "c" } },
      "`headers` holds what is not a header",
    ],
    [
      "a gateway by hand",
      { command: "npx", args: ["synapse", "gateway", "--config", "m.json"] },
      "it is a gateway already",
    ],
    [
      "a gateway by its path",
      { command: "node", args: ["/o/dist/cli/main.js", "gateway"] },
      "it is a gateway already",
    ],
  ])("%s", (_, entry, why) => {
    const text = inA(entry);
    expect(statuses(text)).toEqual({ a: why });
    expect(wrap(text).text).toBe(text);
  });

  test.each([
    ["a list of servers", '{"mcpServers":[{"command":"x"}], "servers": {}}'],
    ["escapes in keys", '{"mcpServers":{"a":{"\\u0075rl":"https://x.example/"}}}'],
    ["a name with a placeholder", '{"mcpServers":{"a${X}":{"command":"x"}}}'],
    ["a name with a control character", '{"mcpServers":{"a\\u0007":{"command":"x"}}}'],
    ["an empty name", '{"mcpServers":{"":{"command":"x"}}}'],
  ])("%s", (_, text) => {
    const result = wrap(text);
    expect(result.text).toBe(text);
    expect(result.servers.filter(({ status }) => status !== "left_alone")).toEqual([]);
  });

  test("a program that only pretends to be wrapped is made to go through this Synapse", () => {
    const words = [
      "gateway",
      "--wrapped",
      "stdio",
      "--agent",
      "assistant",
      "--server",
      "a",
      "--db",
      "/d.db",
      "--",
    ];
    const { servers, text } = wrap(inA({ command: "/tmp/evil", args: [...words, "x"] }));
    expect(servers).toMatchObject([{ status: "relaunched" }]);
    expect(JSON.parse(text)).toEqual({
      mcpServers: { a: { command: "/bin/synapse", args: [...words, "x"] } },
    });
  });
});

describe("changed since it was wrapped", () => {
  type Entry = { command: string; args: string[]; env: { [name: string]: string }; [key: string]: unknown };
  const changed = (entry: object, change: (entry: Entry) => void) => {
    const config = JSON.parse(wrap(JSON.stringify({ mcpServers: { a: entry } })).text) as {
      mcpServers: { a: Entry };
    };
    change(config.mcpServers.a);
    const { text, servers } = unwrapConfig(JSON.stringify(config), "mcp.json");
    const [outcome] = servers;
    return {
      entry: (JSON.parse(text) as typeof config).mcpServers.a,
      status: outcome?.status,
      why: outcome?.why,
    };
  };

  test("only the wrapper is taken off: arguments, variables and new members stay", () => {
    const { entry } = changed({ command: "x", args: ["y"] }, (it) => {
      it.args.push("z");
      it.env = { A: "1" };
      it["disabled"] = true;
    });
    expect(entry).toEqual({ command: "x", args: ["y", "z"], env: { A: "1" }, disabled: true });
  });

  test("arguments that were given to a server that had none stay", () => {
    const { entry } = changed({ command: "x" }, (it) => void it.args.push("z"));
    expect(entry).toEqual({ command: "x", args: ["z"] });
  });

  test("another agent, another database and an anchor are still a wrapper", () => {
    const { entry } = changed({ command: "x" }, (it) => {
      it.args = it.args.map((word) => (word === "assistant" ? "other" : word));
      it.args.splice(it.args.indexOf("--"), 0, "--anchor", "https://anchor.example/");
    });
    expect(entry).toEqual({ command: "x" });
  });

  test("a header that was added the same way comes back as a header", () => {
    const url = "https://x.example/";
    const { entry } = changed(
      { url, headers: { A: "1" } },
      (it) => (it.env["SYNAPSE_MCP_HEADER_7"] = "B: 2"),
    );
    expect(entry).toEqual({ url, headers: { A: "1", B: "2" } });
  });

  test("variables that were added to a server without headers stay", () => {
    const { entry } = changed({ url: "https://x.example/" }, (it) => (it.env["A"] = "1"));
    expect(entry).toEqual({ url: "https://x.example/", env: { A: "1" } });
  });

  test.each<[string, object, (entry: Entry) => void, string]>([
    [
      "a variable among the headers",
      { url: "https://x.example/", headers: {} },
      (it) => (it.env["A"] = "1"),
      "its `env` holds `A`, which is no header",
    ],
    [
      "the address is gone",
      { url: "https://x.example/" },
      (it) => delete it.env["SYNAPSE_MCP_URL"],
      "`SYNAPSE_MCP_URL` is gone from its `env`",
    ],
    [
      "the command is gone",
      { command: "x" },
      (it) => void it.args.pop(),
      "it was wrapped, and what stands behind `--` was changed since",
    ],
  ])("%s: left alone, and said why", (_, before, change, why) => {
    expect(changed(before, change)).toMatchObject({ status: "left_alone", why });
  });
});

describe("what wrap did not write is not taken off", () => {
  const words = ["gateway", "--wrapped", "stdio", "--agent", "a", "--server", "s", "--db", "/d", "--", "x"];
  const swapped = (from: string, to: string) => words.map((word) => (word === from ? to : word));
  test.each<[string, string[]]>([
    ["a note that is none of ours", swapped("stdio", "stdio,more")],
    ["a note in another order", swapped("stdio", "url,headers,type=http")],
    ["an agent that is none", swapped("a", "a b")],
    ["options in another order", swapped("--server", "--db")],
    ["no `--`", swapped("--", "-")],
    ["nothing in front of `gateway`", words.slice(1)],
  ])("%s", (_, args) => {
    const text = JSON.stringify({ mcpServers: { s: { command: "/bin/synapse", args } } });
    const { servers, text: after } = unwrapConfig(text, "mcp.json");
    expect(after).toBe(text);
    expect(servers).toMatchObject([{ status: "not_wrapped" }]);
  });
});

describe("comments that were written into it since", () => {
  test("between what is ours and what is not: they stay", () => {
    const text = wrap('{"mcpServers":{"a":{"command":"x","args":["y"]},"b":{"command":"z"}}}')
      .text.replace('"x", "y"', '"x", /* one */ "y"')
      .replace('"/bin/synapse", "args"', '"/bin/synapse", /* two */ "args"');
    expect(unwrapConfig(text, "mcp.json").text).toBe(
      '{"mcpServers":{"a":{"command":"x","args":[/* one */ "y"]},"b":{"command":"z" /* two */ }}}',
    );
  });
});

describe("refused as a whole, with the place of the mistake", () => {
  test.each<[string, string, RegExp]>([
    ["not closed", '{\n  "mcpServers": {\n', /^mcp\.json:3:1: this is not JSON: close brace expected/],
    ["a missing comma", '{"mcpServers": {}\r\n  "x": 1}', /^mcp\.json:2:3: this is not JSON: comma expected/],
    ["empty", "", /^mcp\.json:1:1: this is not JSON: value expected/],
    ["a list", "[]", /^mcp\.json:1:1: a client's configuration is a JSON object/],
    ["two values", "{} {}", /^mcp\.json:1:4: this is not JSON: end of file expected/],
    ["some other file", '{"name": "x"}', /^mcp\.json:1:1: there are no MCP servers in this file/],
    ["servers twice", '{"servers": {},\n "servers": {}}', /^mcp\.json:2:2: the key `servers` stands twice/],
    ["a server twice", '{"servers": {"a": {},\n "a": {}}}', /^mcp\.json:2:2: the key `a` stands twice/],
    [
      "a command twice",
      '{"servers": {"a": {"command": "x", "command": "y"}}}',
      /:36: the key `command` stands twice/,
    ],
    ["nested too deeply", "[".repeat(200_000), /^mcp\.json:1:1: the file is nested too deeply/],
  ])("%s", (_, text, message) => {
    for (const rewrite of [() => wrap(text), () => unwrapConfig(text, "mcp.json")]) {
      expect(rewrite).toThrow(DocumentError);
      expect(rewrite).toThrow(expect.objectContaining({ code: "invalid_client_config" }));
      expect(rewrite).toThrow(message);
    }
  });

  test("a server that is not there", () => {
    const rewrite = () => wrap('{"servers": {"a": {"command": "x"}}}', ["b"]);
    expect(rewrite).toThrow(NotFoundError);
    expect(rewrite).toThrow(expect.objectContaining({ code: "not_found", hint: "the file has a" }));
  });

  test("`only` leaves the others as they are", () => {
    const text = '{"servers": {"a": {"command": "x"}, "b": {"command": "y"}}}';
    const { servers } = wrap(text, ["b"]);
    expect(servers.map(({ name, status }) => [name, status])).toEqual([["b", "wrapped"]]);
    expect(wrap(text, ["b"]).text).toContain('"a": {"command": "x"}');
  });
});
