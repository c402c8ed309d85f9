/** The answers that a client gets through the gateway are those that it gets from the server itself. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../src/model/json.js";
import { type Bench, openBench, servers, vectors } from "./bench.js";
import { type Client, directClient, type Message } from "./client.js";

interface Call {
  readonly name: string;
  readonly arguments: JsonObject;
  readonly isError: boolean;
  readonly answer: JsonValue;
}

const file = join(vectors, "5-mcp/transparency-calls.json");
const sets = existsSync(file)
  ? (JSON.parse(readFileSync(file, "utf8")) as Record<
      "everything" | "filesystem" | "memory",
      { calls: Call[] }
    >)
  : undefined;
if (sets === undefined) console.warn(`skipped: ${file} is not there`);

const grants = ["mcp:*:server/**", "fs:*", "memory:*"].flatMap((capability) =>
  capability.startsWith("fs:") ? ["fs:read", "fs:write", "fs:list", "fs:delete"] : [capability],
);

describe.skipIf(sets === undefined).each(["everything", "filesystem", "memory"] as const)("%s", (name) => {
  const calls = sets?.[name].calls ?? [];
  let root: string;
  let bench: Bench;
  let through: Client;
  let direct: ReturnType<typeof directClient>;
  let initialized: readonly Message[];

  /** A folder that is the same for both: the calls go to one after the other, which starts it anew. */
  function reset(): void {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(join(root, "sub"), { recursive: true });
    writeFileSync(join(root, "a.txt"), "alpha\nbeta\ngamma\n");
    writeFileSync(join(root, "sub/b.json"), "{}\n");
    utimesSync(join(root, "a.txt"), 1_700_000_000, 1_700_000_000);
  }

  beforeAll(async () => {
    root = join(realpathSync(mkdtempSync(join(tmpdir(), "transparent-"))), "root");
    reset();
    const server = {
      everything: servers.everything,
      filesystem: servers.filesystem(root),
      memory: servers.memory(join(root, "memory.jsonl")),
    }[name];
    const env = "env" in server ? server.env : {};
    direct = directClient(server.command, server.args, { ...process.env, ...env });
    bench = await openBench({ mcpServers: { server } }, grants);
    through = bench.connect();
    initialized = await Promise.all([direct.client.initialize(), through.initialize()]);
  });

  afterAll(async () => {
    direct.end();
    await bench.close();
    rmSync(join(root, ".."), { recursive: true, force: true });
  });

  test("initialize: what the server says of itself, and that its lists may change", () => {
    const [own, passed] = initialized;
    expect(withoutListChanged(passed?.["result"])).toEqual(withoutListChanged(own?.["result"]));
  });

  test.each(["tools/list", "resources/list", "resources/templates/list", "prompts/list"])(
    "%s",
    async (method) => {
      const [own, passed] = [await direct.client.request(method, {}), await through.request(method, {})];
      expect(passed["result"]).toEqual(own["result"]);
      expect(passed["error"]).toEqual(own["error"]);
    },
  );

  // In order, the whole list against one and then against the other: later calls see what earlier ones did.
  test(`${calls.length} calls, in order`, async () => {
    const answers: Message[][] = [[], []];
    for (const [index, client] of [direct.client, through].entries()) {
      reset();
      for (const call of calls)
        answers[index]?.push(await client.call(call.name, filled(call.arguments, root)));
    }
    for (const [index, call] of calls.entries()) {
      const [own, passed] = [answers[0]?.[index], answers[1]?.[index]];
      const label = `${call.name} ${JSON.stringify(call.arguments)}`;
      // Its point is that it is another one (attacks.test.ts).
      if (call.name === "get-env") expect(passed?.["result"], label).toBeDefined();
      else expect(masked(passed), label).toEqual(masked(own));
      expect((passed?.["result"] as { isError?: boolean }).isError === true, label).toBe(call.isError);
    }
  });
});

test("a call's members, its answer's and its error's come through as they are", async () => {
  const bench = await openBench({ mcpServers: { h: servers.hostile() } }, ["mcp:*:h/**"]);
  const client = bench.connect();
  const { result } = (await client.initialize()) as { result: JsonObject };
  expect(result).toMatchObject({ serverInfo: { name: "hostile", unknown: "kept" }, instructions: "be good" });
  expect(result["capabilities"]).toMatchObject({ experimental: { odd: { kept: 1 } } });
  const _meta = { "example.com/trace": { a: [1] }, progressToken: "mine" };
  const args = { text: "é\u2028", n: 1.5, deep: { a: [null, { b: "" }] } };
  const echo = await client.call("echo", args, { _meta });
  expect(echo["result"]).toMatchObject({ received: args, extra: { kept: [1, { deep: true }] } });
  const meta = (echo["result"] as { meta: JsonObject }).meta;
  expect(meta["example.com/trace"]).toEqual({ a: [1] });
  // A number of the gateway's, which nobody chose and nobody can guess at from another session.
  expect(meta["progressToken"]).toBeTypeOf("number");
  expect((await client.request("tools/list", {}))["result"]).toMatchObject({ unknown: "kept" });
  const unknown = await client.request("some/method", { x: 1 });
  expect(unknown["error"]).toEqual({ code: -32601, message: "no some/method", data: { kept: true } });
  expect((await client.request("resources/read", { uri: "mem://a" }))["result"]).toEqual({
    contents: [{ uri: "mem://a", text: "text of mem://a" }],
  });
  const ref = { type: "ref/prompt", name: "greet" };
  const argument = { name: "a", value: "" };
  expect((await client.request("completion/complete", { ref, argument }))["result"]).toEqual({
    completion: { values: ["one", "two"] },
  });
  await bench.close();
});

test("progress, cancellation, and requests of the server find their way", async () => {
  const bench = await openBench({ mcpServers: { server: servers.everything } }, ["mcp:*:server/**"]);
  const client = bench.connect();
  client.answers = ({ method }) =>
    method === "sampling/createMessage"
      ? { result: { role: "assistant", content: { type: "text", text: "sampled" }, model: "m" } }
      : { result: { roots: [{ uri: "file:///srv", name: "srv" }] } };
  await client.initialize({ sampling: {}, roots: { listChanged: true } });
  const progressToken = "p-1";
  const long = await client.call(
    "trigger-long-running-operation",
    { duration: 0.4, steps: 2 },
    { _meta: { progressToken } },
  );
  expect((long["result"] as { content: unknown[] }).content).toHaveLength(1);
  const progress = client.received.filter(({ method }) => method === "notifications/progress");
  expect(progress.map(({ params }) => (params as JsonObject)["progressToken"])).toContain("p-1");
  const sampled = await client.call("trigger-sampling-request", { prompt: "hello", maxTokens: 10 });
  expect(JSON.stringify(sampled["result"])).toContain("sampled");
  await bench.close();
});

function filled(args: JsonObject, root: string): JsonObject {
  return JSON.parse(JSON.stringify(args).replaceAll("{ROOT}", root)) as JsonObject;
}

/** Times that no two runs share: in the text of `get-resource-reference`, and of `get_file_info`. */
function masked(message: Message | undefined): unknown {
  const text = JSON.stringify({ result: message?.["result"], error: message?.["error"] });
  return JSON.parse(
    text
      .replace(/created at \d+:\d+:\d+ [AP]M/g, "created at TIME")
      .replace(/(created|modified|accessed): [^\\"]+/g, "$1: TIME"),
  ) as unknown;
}

function withoutListChanged(result: JsonValue | undefined): unknown {
  return JSON.parse(
    JSON.stringify(result)
      .replace(/"listChanged":true,?/g, "")
      .replaceAll(",}", "}"),
  ) as unknown;
}
