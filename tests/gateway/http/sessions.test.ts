/** Sessions over streamable HTTP: the same answers as without it, each on its own stream, and none for ever. */
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { servers } from "../bench.js";
import { directClient, textOf } from "../client.js";
import { type HttpBench, openHttpBench } from "./http-bench.js";
import { type HttpClient, reasonOf } from "./http-client.js";

describe("the everything server", () => {
  let bench: HttpBench;
  let client: HttpClient;

  beforeAll(async () => {
    bench = await openHttpBench({ mcpServers: { all: servers.everything } }, ["mcp:*:all/**", "mcp:*:all"]);
    client = await bench.client();
    client.answers = () => ({
      result: { role: "assistant", content: { type: "text", text: "sampled" }, model: "m" },
    });
    await client.initialize({ sampling: {} });
  });

  afterAll(() => bench.close());

  test("the same answers as to a client of its own", async () => {
    const { command, args } = servers.everything;
    const own = directClient(command, args, process.env);
    const direct = own.client;
    await direct.initialize({ sampling: {} });
    for (const [method, params] of [
      ["ping", {}],
      ["prompts/list", {}],
      ["tools/call", { name: "echo", arguments: { message: "héllo \u2028" } }],
      ["tools/call", { name: "get-sum", arguments: { a: 1, b: 2 }, _meta: { kept: [1] } }],
      ["tools/call", { name: "get-structured-content", arguments: { location: "Chicago" } }],
      ["tools/call", { name: "echo", arguments: {} }],
      ["prompts/get", { name: "simple-prompt" }],
    ] as const) {
      const [alone, through] = [await direct.request(method, params), await client.request(method, params)];
      expect({ ...through.messages.at(-1), id: 0 }).toEqual({ ...alone, id: 0 });
      expect([through.status, through.type]).toEqual([200, "application/json"]);
    }
    own.end();
  });

  test("progress comes first and on the stream of its call; a call without any is one JSON document", async () => {
    const args = { duration: 0.2, steps: 2 };
    const params = { name: "trigger-long-running-operation", arguments: args, _meta: { progressToken: "p" } };
    const [own, other] = await Promise.all([
      client.request("tools/call", params),
      client.request("tools/call", { ...params, _meta: { progressToken: "q" } }),
    ]);
    for (const [answer, token] of [
      [own, "p"],
      [other, "q"],
    ] as const) {
      expect(answer.type).toBe("text/event-stream");
      const tokens = answer.messages
        .slice(0, -1)
        .map(({ params }) => (params as { progressToken: unknown }).progressToken);
      expect(tokens).toEqual([token, token]);
    }
  });

  test("what a server asks during a call is asked on that call's stream", async () => {
    // It would be the way for what belongs to no call.
    await client.listen();
    const { messages } = await client.request("tools/call", {
      name: "trigger-sampling-request",
      arguments: { prompt: "hello", maxTokens: 10 },
    });
    expect(messages[0]?.method).toBe("sampling/createMessage");
    expect(JSON.stringify(messages.at(-1))).toContain("sampled");
  });
});

describe("a hostile server, and clients that behave as they like", () => {
  let bench: HttpBench;

  beforeAll(async () => {
    bench = await openHttpBench({ mcpServers: { h: servers.hostile() } }, ["mcp:*:h/**", "mcp:*:h"], {
      agentSessionsMax: 20,
      heldMs: 300,
      slowMs: 700,
      listenersMax: 2,
      idleMs: 60_000,
    });
  });

  afterAll(() => bench.close());

  test("16 sessions at once: each has its own server and run, and no answer is another's", async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => bench.client()));
    await Promise.all(clients.map((client) => client.initialize()));
    const pids = await Promise.all(clients.map((client) => client.call("pid")));
    expect(new Set(pids.map(textOf)).size).toBe(16);
    const rounds = clients.flatMap((client, n) =>
      Array.from({ length: 8 }, async (_, m) => textOf(await client.call("echo", { text: `${n}/${m}` }))),
    );
    expect(await Promise.all(rounds)).toEqual(
      clients.flatMap((_, n) => Array.from({ length: 8 }, (_, m) => `${n}/${m}`)),
    );
    for (const client of clients) expect((await client.send("DELETE")).status).toBe(204);
    await expect.poll(() => bench.door.sessions).toBe(0);
    const started = await bench.events("run_started");
    expect(started.filter((event) => event["workflow_id"] === "mcp:http")).toHaveLength(16);
    await expect.poll(async () => (await bench.events("run_completed")).length).toBe(16);
  });

  test("mcpatk-31 after DELETE the session is unknown, and what waited is told", async () => {
    const client = await bench.client();
    await client.initialize();
    const { ended } = await client.listen();
    const held = client.call("hold", {}, { _meta: { progressToken: 1 } });
    await expect.poll(() => bench.logged.some((line) => line.includes("holding"))).toBe(true);
    expect((await client.send("DELETE")).status).toBe(204);
    expect((await held)["error"]).toMatchObject({ message: "the client ended the session" });
    await ended;
    expect(reasonOf(await client.request("ping"))).toBe("session_unknown");
  });

  test("list changes come on the stream for what belongs to no request, and on one of them", async () => {
    const client = await bench.client();
    await client.initialize();
    await client.listen();
    await client.listen();
    await client.call("change");
    await expect.poll(() => client.listened.length).toBe(1);
    expect(client.listened[0]?.method).toBe("notifications/tools/list_changed");
    // One more than may be: the oldest ends, so that a cut connection does not lock its client out.
    await client.listen();
    await client.call("change");
    await expect.poll(() => client.listened.length).toBe(2);
    await client.send("DELETE");
  });

  test("a client that vanishes has cancelled nothing: the call is recorded, and its session goes on", async () => {
    const client = await bench.client();
    await client.initialize();
    const { session } = client;
    const asked = client.call("ask", { method: "sampling/createMessage" }).catch(() => undefined);
    await asked;
    const gone = client.call("hold").catch((error: unknown) => error);
    const before = (await bench.events("step_execution_completed")).length;
    await expect
      .poll(async () => (await bench.events("step_execution_authorized")).length)
      .toBeGreaterThan(before);
    client.vanish();
    expect(await gone).toBeInstanceOf(Error);
    const back = await bench.client(client.token);
    back.session = session;
    expect((await back.request("ping")).status).toBe(200);
    expect((await bench.events("step_execution_completed")).length).toBe(before);
    await back.send("DELETE");
    await expect.poll(async () => (await bench.events("step_execution_completed")).length).toBe(before + 1);
  });

  test("a reader that takes nothing is cut off, and the session's other calls are answered", async () => {
    const client = await bench.client();
    await client.initialize();
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: "slow",
      method: "tools/call",
      params: { name: "huge", arguments: { bytes: 12_000_000 } },
    });
    const taken = await new Promise<number>((resolve, reject) => {
      const sent = httpRequest(bench.url, { method: "POST", headers: client.headers(), agent: false });
      sent.on("response", (response) => {
        // Headers are read, then nothing for longer than the door waits, then what the network still holds.
        let bytes = 0;
        response.on("data", (chunk: Buffer) => (bytes += chunk.length));
        response.on("error", () => undefined);
        response.on("close", () => resolve(bytes));
        response.pause();
        setTimeout(() => response.resume(), 2_500);
      });
      sent.on("error", reject);
      sent.end(body);
    });
    expect(taken).toBeGreaterThan(10_000);
    expect(taken).toBeLessThan(12_000_000);
    expect(textOf(await client.call("echo", { text: "still here" }))).toBe("still here");
    await client.send("DELETE");
  });

  test("one session more than an agent may have is refused; another agent's is not", async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => bench.client()));
    await Promise.all(clients.map((client) => client.initialize()));
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "t", version: "1" },
    };
    const begin = { jsonrpc: "2.0", id: 1, method: "initialize", params };
    const answer = await (await bench.client()).post(begin);
    expect([answer.status, reasonOf(answer)]).toEqual([429, "too_many_sessions"]);
    expect((await (await bench.client(await bench.token("other"))).post(begin)).status).toBe(200);
    // Nobody uses them any more.
    bench.later(70_000);
    await expect.poll(() => bench.door.sessions).toBe(0);
  });

  test("the end of the gateway is told to whoever waits, and every run ends", async () => {
    const client = await bench.client();
    await client.initialize();
    const { ended } = await client.listen();
    const before = (await bench.events("step_execution_authorized")).length;
    const held = client.call("hold");
    await expect
      .poll(async () => (await bench.events("step_execution_authorized")).length)
      .toBeGreaterThan(before);
    bench.door.refuseSessions();
    const late = await (
      await bench.client()
    ).post({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} });
    expect([late.status, reasonOf(late)]).toEqual([503, "closing"]);
    await bench.gateway.close("the gateway was told to end");
    expect((await held)["error"]).toMatchObject({ code: -32_000 });
    await ended;
    const [started, completed] = [await bench.events("run_started"), await bench.events("run_completed")];
    expect(completed.length).toBe(started.length);
  });
});
