/**
 * A real client that knows nothing of this project: the command-line mode of the official inspector, once with the
 * gateway as the command that its configuration starts, once with the gateway's URL and a token.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modules } from "../bench.js";
import { fixture } from "../child-server.js";
import { type ListeningGateway, main, OperatorFolder } from "../gateway-process.js";

const inspector = join(modules, "@modelcontextprotocol/inspector-cli/build/cli.js");
const audience = "http://gateway.test";
const agent = "inspector";

let folder: OperatorFolder;
let gateway: ListeningGateway;
let token: string;

beforeAll(async () => {
  folder = new OperatorFolder({ mcpServers: { kit: { command: process.execPath, args: [fixture] } } });
  await folder.grant(agent, "mcp:call:kit/test_prompt_*");
  for (const name of ["test_simple_text", "test_image_content"])
    await folder.grant(agent, `mcp:call:kit/${name}`);
  await folder.grant(agent, "mcp:read:kit/test:\\/\\/static-text");
  await folder.grant(agent, "mcp:prompt:kit/test_prompt_with_arguments");
  const synapse = {
    command: process.execPath,
    args: [
      main,
      "gateway",
      "--config",
      join(folder.path, "mcp.json"),
      "--agent",
      agent,
      "--db",
      join(folder.path, ".synapse/synapse.db"),
    ],
  };
  writeFileSync(join(folder.path, "client.json"), JSON.stringify({ mcpServers: { synapse } }));
  gateway = await folder.listen("--http", "127.0.0.1:0", "--audience", audience);
  token = await folder.token(agent, audience);
});

afterAll(async () => {
  gateway.child.kill("SIGINT");
  await gateway.exit;
  folder.remove();
});

interface Inspected {
  readonly code: number;
  readonly result: Record<string, unknown> | undefined;
  readonly stderr: string;
}

function inspect(...words: readonly string[]): Promise<Inspected> {
  return new Promise((done) =>
    execFile(
      process.execPath,
      [inspector, "--cli", ...words],
      // It looks for its own package file beside the working folder.
      { cwd: dirname(inspector) },
      (error, stdout, stderr) =>
        done({
          code: error === null ? 0 : Number(error.code),
          result: stdout.trim() === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>),
          stderr,
        }),
    ),
  );
}

const ways: readonly [string, () => readonly string[]][] = [
  ["over standard streams", () => ["--config", join(folder.path, "client.json"), "--server", "synapse"]],
  [
    "over HTTP with a token",
    () => [gateway.url, "--transport", "http", "--header", `Authorization: Bearer ${token}`],
  ],
];

describe.each(ways)("%s", (_, target) => {
  const ask = (method: string, ...more: string[]): Promise<Inspected> =>
    inspect(...target(), "--method", method, ...more);

  test("lists the tools that the agent may call, and no others", async () => {
    const { tools } = (await ask("tools/list")).result as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toEqual(["test_simple_text", "test_image_content"]);
  });

  test("calls one of them", async () => {
    const { result } = await ask("tools/call", "--tool-name", "test_simple_text");
    expect(result).toEqual({
      content: [{ type: "text", text: "This is a simple text response for testing." }],
    });
  });

  test("another is denied: a tool's error that says what to do, and names the decision", async () => {
    const { result } = await ask("tools/call", "--tool-name", "test_error_handling");
    expect(result).toMatchObject({ isError: true });
    const [{ text }] = result?.["content"] as [{ text: string }];
    expect(text).toContain("(no_capability)");
    const decision = /Decision: (evt_[\w-]+)/.exec(text)?.[1] ?? "none";
    const { stdout } = await folder.run("audit", "list", "--json");
    const event = stdout.split("\n").find((line) => line.includes(`"id":"${decision}"`)) ?? "{}";
    expect(JSON.parse(event)).toMatchObject({ event: "step_execution_denied", agent_id: agent });
  });

  test("reads the resource that it may, and not its neighbour", async () => {
    const { resources } = (await ask("resources/list")).result as { resources: { uri: string }[] };
    expect(resources.map(({ uri }) => uri)).toEqual(["test://static-text"]);
    const read = await ask("resources/read", "--uri", "test://static-text");
    expect(JSON.stringify(read.result)).toContain("the content of the static text resource");
    const denied = await ask("resources/read", "--uri", "test://static-binary");
    expect(denied.code).not.toBe(0);
    expect(denied.stderr).toMatch(/-32001[^]*not permitted/);
  });

  test("gets the prompt that it may, with its arguments, and not another", async () => {
    const { prompts } = (await ask("prompts/list")).result as { prompts: { name: string }[] };
    expect(prompts.map(({ name }) => name)).toEqual(["test_prompt_with_arguments"]);
    const words = ["--prompt-name", "test_prompt_with_arguments", "--prompt-args", "arg1=a", "arg2=b"];
    expect(JSON.stringify((await ask("prompts/get", ...words)).result)).toContain("arg1='a', arg2='b'");
    const denied = await ask("prompts/get", "--prompt-name", "test_simple_prompt");
    expect(denied.code).not.toBe(0);
    expect(denied.stderr).toContain("-32001");
  });
});

test("without a token the URL is none of its business", async () => {
  const { code, result, stderr } = await inspect(
    gateway.url,
    "--transport",
    "http",
    "--method",
    "tools/list",
  );
  expect([code === 0, result]).toEqual([false, undefined]);
  expect(stderr).toContain("token_missing");
});
