/** A client whose server was not there yet may begin again, on the same connection. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Bench, hostile, openBench } from "./bench.js";
import { type Client, textOf } from "./client.js";

let bench: Bench;
afterEach(() => bench.close());

const config = { mcpServers: { h: { command: process.execPath, args: ["{FOLDER}/server.mjs"] } } };
const params = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

async function begun(client: Client): Promise<void> {
  expect((await client.request("initialize", params))["result"]).toMatchObject({
    protocolVersion: "2025-11-25",
  });
  expect(textOf(await client.call("echo", { text: "hello" }))).toBe("hello");
  // Once begun it is begun.
  expect((await client.request("initialize", params))["error"]).toMatchObject({ code: -32600 });
}

async function expectTwoRuns(): Promise<void> {
  await bench.gateway.close("done");
  const started = await bench.events("run_started");
  const ended = await bench.events("run_completed");
  expect(started).toHaveLength(2);
  expect(ended.map((event) => event["run_id"])).toEqual(started.map((event) => event["run_id"]));
  const [step] = await bench.events("step_execution_requested");
  expect(step?.["run_id"]).toBe(started[1]?.["run_id"]);
}

test("a server that could not be started, and then can", async () => {
  bench = await openBench(config, ["mcp:call:h/**"]);
  const client = bench.connect();
  expect((await client.request("initialize", params))["error"]).toMatchObject({ code: -32000 });
  // Until it is begun there is nothing to be had.
  expect((await client.request("tools/list"))["error"]).toMatchObject({ code: -32600 });
  copyFileSync(hostile, join(bench.folder, "server.mjs"));
  await begun(client);
  await expectTwoRuns();
});

test("a server that refuses the first time: it is started anew, and the first one is ended", async () => {
  bench = await openBench(config, ["mcp:call:h/**"]);
  const refusing = `
    import { createInterface } from "node:readline";
    createInterface({ input: process.stdin }).on("line", (line) => {
      const { id } = JSON.parse(line);
      const error = { code: -32002, message: "not yet, " + process.pid };
      process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, error }) + "\\n");
    });`;
  writeFileSync(join(bench.folder, "server.mjs"), refusing);
  const client = bench.connect();
  const refused = textOf(await client.request("initialize", params));
  expect(refused).toContain("not yet");
  copyFileSync(hostile, join(bench.folder, "server.mjs"));
  await begun(client);
  const pid = Number(/\d+/.exec(refused)?.[0]);
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  await expectTwoRuns();
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
