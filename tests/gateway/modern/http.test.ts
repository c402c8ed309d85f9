/** 2026-07-28 over HTTP, message by message: headers that lie, ids that meet, streams that are closed. */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json.js";
import type { Grant } from "../bench.js";
import { type Message, textOf } from "../client.js";
import { type HttpBench, openHttpBench } from "../http/http-bench.js";
import { type Answer, HttpClient, reasonOf } from "../http/http-client.js";
import { envelope, until, version } from "./peers.js";

const script = resolve(import.meta.dirname, "stateless-server.mjs");
const server = { command: process.execPath, args: [script] };

let bench: HttpBench;
let child: ChildProcess | undefined;
afterEach(async () => {
  await bench.close();
  child?.kill("SIGKILL");
  child = undefined;
});

const all = ["mcp:call:s/**", "mcp:read:s/**", "mcp:prompt:s/**"];

async function open(
  grants: readonly Grant[] = all,
  servers: JsonObject = { s: server },
): Promise<HttpClient> {
  bench = await openHttpBench({ mcpServers: servers }, grants);
  return bench.client();
}

let last = 0;
const request = (method: string, params: JsonObject = {}, id: string | number = ++last): JsonObject => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { ...envelope(), ...params },
});
const mirrored = (method: string, name?: string): Record<string, string> => ({
  "mcp-protocol-version": version,
  "mcp-method": method,
  ...(name === undefined ? {} : { "mcp-name": name }),
});
const call = (
  client: HttpClient,
  name: string,
  args: JsonObject = {},
  headers: Record<string, string> = {},
  id?: number,
) =>
  client.post(request("tools/call", { name, arguments: args }, id), {
    ...mirrored("tools/call", name),
    ...headers,
  });
const lastOf = ({ messages }: Answer): Message => messages.at(-1) as Message;
const codeOf = (answer: Answer): unknown => (lastOf(answer)["error"] as { code?: number } | undefined)?.code;

describe("what stands in the headers", () => {
  const add = request("tools/call", { name: "result", arguments: {} });
  const fine = mirrored("tools/call", "result");
  const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString("base64")}?=`;
  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(fine).filter(([each]) => each !== name));

  test.each<[string, Record<string, string>]>([
    ["no revision", without("mcp-protocol-version")],
    ["another revision", { ...fine, "mcp-protocol-version": "2025-11-25" }],
    ["no method", without("mcp-method")],
    ["another method", { ...fine, "mcp-method": "tools/list" }],
    ["no name", without("mcp-name")],
    ["another name", { ...fine, "mcp-name": "change" }],
    ["another name, in base64", { ...fine, "mcp-name": base64("change") }],
    ["a name in no base64", { ...fine, "mcp-name": "=?base64?*?=" }],
  ])("%s than the body: 400 and -32020, and nothing is done", async (_, headers) => {
    const client = await open();
    const answer = await client.post(add, headers);
    expect([answer.status, codeOf(answer)]).toEqual([400, -32_020]);
    expect(reasonOf(answer)).toBe("header_mismatch");
    expect(lastOf(answer).id).toBe(add["id"]);
    expect(await bench.events("step_execution_requested")).toEqual([]);
    expect(await bench.events("run_started")).toEqual([]);
  });

  test("a name in base64 is the name; a session that the client names is not looked at", async () => {
    const client = await open();
    const headers = { ...fine, "mcp-name": base64("result"), "mcp-session-id": "x".repeat(43) };
    const answer = await client.post(request("tools/call", { name: "seen", arguments: {} }), {
      ...headers,
      "mcp-name": base64("seen"),
    });
    expect([answer.status, textOf(lastOf(answer))]).toEqual([200, "called seen"]);
    expect(answer.headers.get("mcp-session-id")).toBeNull();
  });

  test("a revision in the header alone, an unknown one, and none of what a request has to say", async () => {
    const client = await open();
    const bare = { jsonrpc: "2.0", id: 1, method: "tools/list" };
    const claimless = await client.post(bare, mirrored("tools/list"));
    expect([claimless.status, codeOf(claimless), reasonOf(claimless)]).toEqual([
      400,
      -32_602,
      "envelope_invalid",
    ]);
    const _meta = { ...envelope()._meta, "io.modelcontextprotocol/protocolVersion": "2030-01-01" };
    const headers = { ...mirrored("tools/list"), "mcp-protocol-version": "2030-01-01" };
    const unknown = await client.post(request("tools/list", { _meta }), headers);
    expect([unknown.status, codeOf(unknown)]).toEqual([400, -32_022]);
    expect(lastOf(unknown)["error"]).toMatchObject({
      data: { supported: [version], requested: "2030-01-01" },
    });
    const initialize = await client.post({ ...bare, method: "initialize" }, mirrored("initialize"));
    expect([initialize.status, codeOf(initialize)]).toEqual([400, -32_020]);
    const half = { "io.modelcontextprotocol/protocolVersion": version };
    const incomplete = await client.post(request("tools/list", { _meta: half }), mirrored("tools/list"));
    expect([incomplete.status, codeOf(incomplete)]).toEqual([400, -32_602]);
    for (const method of ["GET", "DELETE"])
      expect((await client.send(method, { "mcp-protocol-version": version })).status).toBe(405);
    expect(await bench.events("step_execution_requested")).toEqual([]);
  });

  test("an argument that a tool wants to see there has to be there, and be the same", async () => {
    const client = await open();
    const region = { region: "süd" };
    for (const headers of [{}, { "mcp-param-region": "north" }, { "mcp-param-region": "=?base64?/?=" }]) {
      const refused = await call(client, "mirrored", region, headers);
      expect([refused.status, codeOf(refused)]).toEqual([400, -32_020]);
    }
    expect(codeOf(await call(client, "mirrored", {}, { "mcp-param-region": "north" }))).toBe(-32_020);
    const denied = await bench.events("step_execution_denied");
    expect(denied.map((event) => event["reason"])).toEqual(Array(4).fill("invalid_context"));
    const fine = await call(client, "mirrored", region, {
      "mcp-param-region": base64("süd"),
      "mcp-param-odd": "x",
    });
    expect(textOf(lastOf(fine))).toBe("called mirrored");
  });
});

describe("answers", () => {
  test("lists are for this agent alone, and say so; other members stay", async () => {
    const client = await open(["mcp:call:s/result", "mcp:call:s/broken"]);
    const { result } = lastOf(await client.post(request("tools/list"), mirrored("tools/list")));
    expect(result).toMatchObject({
      resultType: "complete",
      ttlMs: 5000,
      cacheScope: "private",
      unknown: "kept",
    });
    // A tool whose headers cannot be made is none.
    expect((result as { tools: { name: string }[] }).tools.map(({ name }) => name)).toEqual(["result"]);
    expect(textOf(lastOf(await call(client, "broken", { region: [] })))).toContain("not a valid one");
  });

  test("a server's own words of what it is, and what it reads; every result says what it is", async () => {
    const client = await open();
    const { result } = lastOf(await client.post(request("server/discover"), mirrored("server/discover")));
    expect(result).toMatchObject({
      supportedVersions: [version],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        extensions: { "x.test/e": {} },
      },
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "stateless", unknown: "kept" } },
      unknown: "kept",
      cacheScope: "private",
    });
    const read = await client.post(
      request("resources/read", { uri: "mem://a" }),
      mirrored("resources/read", "mem://a"),
    );
    expect(lastOf(read)["result"]).toMatchObject({
      resultType: "complete",
      ttlMs: 5000,
      cacheScope: "public",
    });
    expect(lastOf(await call(client, "seen"))["result"]).toMatchObject({ resultType: "complete" });
    const denied = lastOf(await call(await bench.client(await bench.token("nobody")), "seen"));
    expect(denied["result"]).toMatchObject({ resultType: "complete", isError: true });
  });

  test.each(["tasks/list", "ping", "logging/setLevel", "made/up"])(
    "the method %s is not known here: 404, -32601, and a record",
    async (method) => {
      const client = await open();
      const answer = await client.post(request(method), mirrored(method));
      expect([answer.status, codeOf(answer)]).toEqual([404, -32_601]);
      expect(await bench.events("step_execution_denied")).toHaveLength(1);
    },
  );

  test("equal ids and progress tokens of two clients with one token do not meet", async () => {
    const one = await open();
    const other = new HttpClient(bench.url, one.token);
    const stop = new AbortController();
    const held = one.post(
      request("tools/call", { name: "hold", arguments: {}, ...envelope({}, { progressToken: 1 }) }, 1),
      mirrored("tools/call", "hold"),
      stop.signal,
    );
    await until(() => bench.logged.join().includes("holding"), "the call is under way");
    const answer = await call(other, "seen", {}, {}, 1);
    expect(lastOf(answer)).toMatchObject({ id: 1, result: { content: [{ text: "called seen" }] } });
    stop.abort();
    await expect(held).rejects.toThrow();
    expect(await bench.events("run_started")).toHaveLength(1);
  });

  test("four tokens with two clients each, sixteen calls at a time, all with the same ids: none is crossed or lost", async () => {
    await open(["mcp:call:s/**"]);
    const clients: HttpClient[] = [];
    for (let n = 0; n < 4; n++) {
      const token = await bench.token("assistant", { forMs: 3_600_000 + n * 1_000 });
      clients.push(new HttpClient(bench.url, token), new HttpClient(bench.url, token));
    }
    const calls = clients.flatMap((client, c) =>
      Array.from({ length: 16 }, async (_, id) => {
        const own = `${c}/${id}`;
        const result = { content: [{ type: "text", text: own }] };
        const { id: answered, ...answer } = lastOf(await call(client, "result", { result }, {}, id));
        return [own, answered === id, textOf(answer)];
      }),
    );
    for (const [own, isOwnId, text] of await Promise.all(calls)) expect([isOwnId, text]).toEqual([true, own]);
    expect(await bench.events("run_started")).toHaveLength(4);
    expect(await bench.events("step_execution_completed")).toHaveLength(128);
  });

  test("closing its stream cancels a call; a cancellation that is posted cancels nobody's", async () => {
    const client = await open();
    const stop = new AbortController();
    const held = client.post(
      request("tools/call", { name: "hold", arguments: {} }, 7),
      mirrored("tools/call", "hold"),
      stop.signal,
    );
    await until(() => bench.logged.join().includes("holding"), "the call is under way");
    for (const requestId of [1, 7]) {
      const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } };
      expect((await client.post(cancel, mirrored("notifications/cancelled"))).status).toBe(202);
    }
    expect(await bench.events("step_execution_completed")).toEqual([]);
    stop.abort();
    await expect(held).rejects.toThrow();
    await until(async () => (await bench.events("step_execution_completed")).length === 1, "the step ends");
    expect((await bench.events("step_execution_completed"))[0]).toMatchObject({ code: "cancelled" });
    await until(() => bench.logged.join().includes("notifications/cancelled"), "the server is told");
  });

  test("a run for each token; it ends with its token, or when it was idle", async () => {
    const client = await open();
    const short = await bench.client(await bench.token("assistant", { forMs: 60_000 }));
    await Promise.all([call(client, "seen"), call(client, "seen"), call(short, "seen")]);
    expect(await bench.events("run_started")).toHaveLength(2);
    bench.later(91_000);
    await until(async () => (await bench.events("run_completed")).length === 1, "the run of the token ends");
    expect((await call(short, "seen")).status).toBe(401);
    bench.later(30 * 60_000);
    await until(async () => (await bench.events("run_completed")).length === 2, "the idle run ends");
    expect(textOf(lastOf(await call(client, "seen")))).toBe("called seen");
    expect(await bench.events("run_started")).toHaveLength(3);
  });

  test("unbinding ends a call under way, and suspending refuses the next", async () => {
    const client = await open([]);
    const binding = await bench.grant("mcp:call:s/**");
    const held = call(client, "hold");
    await until(() => bench.logged.join().includes("holding"), "the call is under way");
    await bench.pipeline.bindingManager.unbind(binding, { revokedBy: "test" });
    expect(textOf(lastOf(await held))).toContain("(revoked_while_running)");
    await bench.pipeline.capabilityManager.suspend("assistant", { by: "test" });
    expect((await call(client, "seen")).status).toBe(401);
  });
});

describe("a server over HTTP", () => {
  async function startServer(): Promise<{ url: string; said: () => string }> {
    const started = spawn(process.execPath, [script, "http"], { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    let said = "";
    started.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
    const port = await new Promise<string>((done) =>
      started.stdout.once("data", (chunk: Buffer) => done(chunk.toString("utf8").trim())),
    );
    return { url: `http://127.0.0.1:${port}/mcp`, said: () => said };
  }

  test("is sent headers that say what its body says: its own names, and the arguments that it wants there", async () => {
    const { url, said } = await startServer();
    const headers = { "x-own": "for the server" };
    const client = await open(["mcp:call:web/**"], { web: { url, headers }, s: server });
    const args = { region: " süd" };
    const region = `=?base64?${Buffer.from(" süd").toString("base64")}?=`;
    await call(client, "web__mirrored", args, { "mcp-param-region": region, "mcp-param-other": "dropped" });
    const sent = said()
      .split("\n")
      .filter((line) => line.includes('"tools/call"'))
      .map((line) => JSON.parse(line) as { params: JsonObject; headers: JsonObject });
    expect(sent).toHaveLength(1);
    expect(sent[0]?.params["name"]).toBe("mirrored");
    expect(sent[0]?.headers).toMatchObject({
      "mcp-protocol-version": version,
      "mcp-method": "tools/call",
      "mcp-name": "mirrored",
      "mcp-param-region": region,
      "x-own": "for the server",
    });
    expect(Object.keys(sent[0]?.headers ?? {})).not.toContain("mcp-param-other");
    expect(JSON.stringify(sent[0]?.headers)).not.toContain(client.token);
  });

  test("sees its connection closed when a call is cancelled, and no message about it", async () => {
    const { url, said } = await startServer();
    const client = await open(["mcp:call:web/**"], { web: { url } });
    const stop = new AbortController();
    const held = client.post(
      request("tools/call", { name: "hold", arguments: {} }),
      mirrored("tools/call", "hold"),
      stop.signal,
    );
    await until(() => said().includes("holding"), "the call is under way");
    stop.abort();
    await expect(held).rejects.toThrow();
    await until(() => said().includes("closed tools/call"), "its connection is closed");
    expect(said()).not.toContain("notifications/cancelled");
  });
});
