/** `synapse gateway` as a program, started by the SDK's own client as any client starts it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, expect, test } from "vitest";
import { servers } from "../bench.js";
import { firstText, sdkClient, sdkServer } from "./peers.js";

const main = resolve(import.meta.dirname, "../../../dist/cli/main.js");
let folder: string;
const run = (...args: string[]): string =>
  execFileSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8" });

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gateway-modern-")));
  writeFileSync(join(folder, "modern.json"), JSON.stringify({ mcpServers: { s: sdkServer("modern") } }));
  writeFileSync(join(folder, "legacy.json"), JSON.stringify({ mcpServers: { s: servers.everything } }));
  for (const capability of ["mcp:call:s/**", "mcp:elicit:s", "mcp:sample:s", "mcp:roots:s"]) {
    run("issue", "--capability", capability, "--by", "operator");
    run("bind", "--agent", "assistant", "--capability", capability, "--by", "operator");
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function transport(config: string): StdioClientTransport {
  const args = [main, "gateway", "--config", config, "--agent", "assistant"];
  return new StdioClientTransport({ command: process.execPath, args, cwd: folder, stderr: "ignore" });
}

test("2026-07-28 with servers that speak nothing else; the session is a run that replays", async () => {
  const client = sdkClient("auto");
  await client.connect(transport("modern.json"));
  expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
  const asked = firstText(await client.callTool({ name: "ask", arguments: { who: "me" } }));
  expect(asked).toContain("state of me");
  expect(asked).toContain("sampled");
  await client.close();
  const runs = run("runs", "--json").trim().split("\n");
  const { run_id: runId } = JSON.parse(runs[0] as string) as { run_id: string };
  expect(run("replay", runId)).toContain("5 identical");
});

test("and back to initialize with servers that know sessions alone", async () => {
  const client = sdkClient("auto");
  await client.connect(transport("legacy.json"));
  expect(client.getNegotiatedProtocolVersion()).toBe("2025-11-25");
  expect(firstText(await client.callTool({ name: "echo", arguments: { message: "hi" } }))).toBe("Echo: hi");
  await client.close();
});
