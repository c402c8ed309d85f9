/** `synapse gateway` as a process: what a client starts, and what an operator finds afterwards. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { servers } from "./bench.js";
import { Client, textOf } from "./client.js";

const main = resolve(import.meta.dirname, "../../dist/cli/main.js");
let folder: string;

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gateway-cli-")));
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data/a.txt"), "alpha");
  const files = servers.filesystem(join(folder, "data"));
  writeFileSync(join(folder, "mcp.json"), JSON.stringify({ mcpServers: { files } }, null, "\t"));
  writeFileSync(
    join(folder, "hostile.json"),
    JSON.stringify({ mcpServers: { h: servers.hostile("unseen") } }),
  );
  for (const capability of ["mcp:call:**", "fs:read:/**"]) {
    await run("issue", "--capability", capability, "--by", "operator");
    const narrowed = capability === "fs:read:/**" ? `fs:read:${folder}/data/**` : capability;
    await run("bind", "--agent", "assistant", "--capability", narrowed, "--by", "operator");
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) =>
    execFile(process.execPath, [main, ...args], { cwd: folder }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    ),
  );
}

interface Started {
  readonly client: Client;
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it; and all of standard error. */
  readonly exit: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

function start(...args: string[]): Started {
  const child = spawn(process.execPath, [main, "gateway", ...args], {
    cwd: folder,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
  const exit = new Promise<{ code: number | null; stderr: string }>((done) =>
    child.on("close", (code) => done({ code, stderr })),
  );
  return { client: new Client(child.stdin, child.stdout), child, exit };
}

test("a session is a run: listed, shown, replayed, bundled, verified", async () => {
  const { client, exit } = start("--config", "mcp.json", "--agent", "assistant");
  await client.initialize();
  expect(textOf(await client.call("read_text_file", { path: join(folder, "data/a.txt") }))).toBe("alpha");
  const denied = textOf(await client.call("read_text_file", { path: "/etc/passwd" }));
  expect(denied).toContain("Denied");
  client.close();
  expect((await exit).code).toBe(0);
  const [listed = ""] = (await run("runs", "--json")).stdout.split("\n");
  const { run_id: runId, status } = JSON.parse(listed) as { run_id: string; status: string };
  expect(status).toBe("completed");
  const shown = JSON.parse((await run("show", runId, "--json")).stdout) as {
    steps: { step_id: string; status: string }[];
  };
  expect(shown.steps.map(({ step_id, status }) => [step_id, status])).toEqual([
    ["1.mcp.call", "completed"],
    ["2.mcp.call", "denied"],
  ]);
  const replay = await run("replay", runId);
  expect(replay.stdout).toContain("2 identical");
  expect(replay.code).toBe(0);
  expect((await run("replay", runId, "--live")).stderr).toContain("error[not_a_workflow]");
  expect((await run("bundle", runId, "--output", "run.bundle")).code).toBe(0);
  expect((await run("replay", "--from-bundle", "run.bundle", "--unauthenticated")).code).toBe(0);
  expect((await run("audit", "verify")).code).toBe(0);
  const decision = /evt_[0-9a-f-]+/.exec(denied)?.[0] ?? "";
  expect((await run("audit", "list", "--run", runId, "--json")).stdout).toContain(decision);
});

test("the one server behind `--`", async () => {
  const { command, args } = servers.filesystem(join(folder, "data"));
  const { client, exit } = start("--agent", "assistant", "--server", "files", "--", command, ...args);
  await client.initialize();
  expect(textOf(await client.call("read_text_file", { path: join(folder, "data/a.txt") }))).toBe("alpha");
  client.close();
  expect((await exit).code).toBe(0);
});

test("a signal ends the session with a record, and the exit code of an interruption", async () => {
  const { client, child, exit } = start("--config", "mcp.json", "--agent", "assistant");
  await client.initialize();
  child.kill("SIGTERM");
  expect((await exit).code).toBe(130);
  const [last = ""] = (await run("runs", "--json")).stdout.split("\n");
  expect(last).toContain('"completed"');
});

test("pins: what waits is listed and accepted; mcpatk-70 nothing that a server writes reaches a terminal raw", async () => {
  const { client, exit } = start("--config", "hostile.json", "--agent", "assistant");
  await client.initialize();
  await client.request("tools/list", {});
  expect(textOf(await client.call("smuggler"))).toContain("(invalid_context)");
  await client.call("noise");
  client.close();
  const { stderr } = await exit;
  expect(stderr).toContain("red");
  const pins = await run("gateway", "pins", "--definitions");
  expect(pins.stdout).toContain("suspicious_text");
  for (const text of [stderr, pins.stdout]) expect(text).not.toMatch(/[\u001b\u202e\u{e0049}]/u);
  expect((await run("gateway", "pins", "accept", "h/nothing", "--by", "me")).code).toBe(2);
  const accepted = await run("gateway", "pins", "accept", "h/smuggler", "--by", "me", "--json");
  expect(JSON.parse(accepted.stdout)).toMatchObject({ server: "h", tool: "smuggler", by: "me" });
  expect((await run("gateway", "pins")).stdout).toContain("no tool waits");
  const again = start("--config", "hostile.json", "--agent", "assistant");
  await again.client.initialize();
  expect(textOf(await again.client.call("smuggler"))).toBe("called smuggler");
  again.client.close();
  await again.exit;
  expect((await run("audit", "verify")).code).toBe(0);
});

test.each<[string, string[], string, string]>([
  ["no agent", ["--config", "mcp.json"], "", "usage"],
  ["no servers", ["--agent", "a"], "", "usage"],
  ["no such file", ["--agent", "a", "--config", "none.json"], "", "unreadable_file"],
  ["no JSON", ["--agent", "a", "--config", "bad.json"], "{", "invalid_gateway_config"],
  ["no server in it", ["--agent", "a", "--config", "bad.json"], "{}", "invalid_gateway_config"],
  [
    "a variable that is not set",
    ["--agent", "a", "--config", "bad.json"],
    '{"mcpServers":{"x":{"command":"${NOT_SET}"}}}',
    "invalid_gateway_config",
  ],
  [
    "an unknown setting",
    ["--agent", "a", "--config", "bad.json"],
    '{"mcpServers":{"x":{"command":"x"}},"synapse":{"pas_env":[]}}',
    "invalid_gateway_config",
  ],
  [
    "settings of no server",
    ["--agent", "a", "--config", "bad.json"],
    '{"mcpServers":{"x":{"command":"x"}},"synapse":{"servers":{"y":{}}}}',
    "invalid_gateway_config",
  ],
  [
    "a mapping that is none",
    ["--agent", "a", "--config", "bad.json"],
    '{"mcpServers":{"x":{"command":"x"}},"synapse":{"servers":{"x":{"tools":{"t":{"requires":["fs:read:/a/{b}"]}}}}}}',
    "invalid_gateway_config",
  ],
])("%s: an error, and nothing is started", async (_, args, text, code) => {
  writeFileSync(join(folder, "bad.json"), text);
  const { stdout, stderr, code: exit } = await run("gateway", ...args);
  expect(stderr).toContain(`error[${code}]`);
  expect(stdout).toBe("");
  expect(exit).toBe(2);
});
