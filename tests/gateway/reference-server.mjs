// Stands for a reference server that is a Python package: `reference-server.mjs mcp-server-git` or `… mcp-server-fetch`.
// It lists tools and prompts with the names and schemas of the real one, and answers with what it was asked.
import { createInterface } from "node:readline";

const string = { type: "string" };
const maybe = { anyOf: [{ type: "string" }, { type: "null" }], default: null };
const context = { type: "integer", default: 3 };
const tool = (name, properties, required) => ({
  name,
  description: name,
  inputSchema: { properties, required, title: name, type: "object" },
});
const git = (name, properties = {}, required = []) =>
  tool(name, { repo_path: { title: "Repo Path", type: "string" }, ...properties }, [
    "repo_path",
    ...required,
  ]);

const kinds = {
  "mcp-server-git": {
    tools: [
      git("git_status"),
      git("git_diff_unstaged", { context_lines: context }),
      git("git_diff_staged", { context_lines: context }),
      git("git_diff", { target: string, context_lines: context }, ["target"]),
      git("git_commit", { message: string }, ["message"]),
      git("git_commit_signed", { message: string, key_id: maybe }, ["message"]),
      git("git_add", { files: { type: "array", items: string } }, ["files"]),
      git("git_reset"),
      git("git_log", {
        max_count: { type: "integer", default: 10 },
        start_timestamp: maybe,
        end_timestamp: maybe,
      }),
      git("git_create_branch", { branch_name: string, base_branch: maybe }, ["branch_name"]),
      git("git_checkout", { branch_name: string }, ["branch_name"]),
      git("git_show", { revision: string }, ["revision"]),
      git("git_init"),
      git("git_branch", { branch_type: string, contains: maybe, not_contains: maybe }, ["branch_type"]),
    ],
    prompts: [],
  },
  "mcp-server-fetch": {
    tools: [
      tool(
        "fetch",
        {
          url: { type: "string", format: "uri", minLength: 1, description: "URL to fetch" },
          max_length: { type: "integer", default: 5000, exclusiveMinimum: 0, exclusiveMaximum: 1000000 },
          start_index: { type: "integer", default: 0, minimum: 0 },
          raw: { type: "boolean", default: false },
        },
        ["url"],
      ),
    ],
    prompts: [
      {
        name: "fetch",
        description: "Fetch a URL and extract its contents as markdown",
        arguments: [{ name: "url", description: "URL to fetch", required: true }],
      },
    ],
  },
};

const { tools, prompts } = kinds[process.argv[2]];
const text = (params) => ({ type: "text", text: JSON.stringify(params.arguments) });
const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {}, prompts: {} },
    serverInfo: { name: process.argv[2], version: "1" },
  }),
  "tools/list": () => ({ tools }),
  "tools/call": (params) => ({ content: [text(params)] }),
  "prompts/list": () => ({ prompts }),
  "prompts/get": (params) => ({ messages: [{ role: "user", content: text(params) }] }),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: answers[method](params ?? {}) })}\n`);
});
