/** What a client is told of without a session: what it asked for, under its own name for it, as long as it may. */
import { resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json.js";
import { type Bench, type Grant, openBench } from "../bench.js";
import type { Client, Message } from "../client.js";
import { envelope, until } from "./peers.js";

const script = resolve(import.meta.dirname, "stateless-server.mjs");
const server = { command: process.execPath, args: [script] };
const subscription = "io.modelcontextprotocol/subscriptionId";

let bench: Bench;
afterEach(async () => bench.close());

const all = ["mcp:call:s/**", "mcp:read:s/**"];

async function open(grants: readonly Grant[] = all, servers: JsonObject = { s: server }): Promise<Client> {
  bench = await openBench({ mcpServers: servers }, grants);
  return bench.connect();
}

const metaOf = ({ params }: Message): JsonObject =>
  (params as { _meta?: JsonObject } | undefined)?._meta ?? {};
const told = (client: Client, id: string | number): Message[] =>
  client.received.filter((message) => metaOf(message)[subscription] === id);

/** @returns the acknowledgement, and the answer that comes when it is over. */
async function listen(client: Client, notifications: JsonObject, id: string | number) {
  const acknowledged = client.next((message) => metaOf(message)[subscription] === id);
  const over = client.request("subscriptions/listen", { notifications, ...envelope() }, id);
  return { acknowledged: await acknowledged, over };
}

const say = (client: Client, args: JsonObject): Promise<Message> =>
  client.request("tools/call", { name: "say", arguments: args, ...envelope() });

const updated = (uri: string, id: unknown = "{SUBSCRIPTION}"): JsonObject => ({
  jsonrpc: "2.0",
  method: "notifications/resources/updated",
  params: { uri, odd: "kept", _meta: { [subscription]: id as string, other: "kept" } },
});

describe("a subscription", () => {
  test("is acknowledged first, by the client's own id, with what is permitted; each resource is a step", async () => {
    const client = await open(["mcp:call:s/**", "mcp:read:s/mem:\\/\\/a"]);
    const { acknowledged } = await listen(
      client,
      {
        toolsListChanged: true,
        promptsListChanged: false,
        resourceSubscriptions: ["mem://a", "mem://b"],
        odd: true,
      },
      "mine",
    );
    expect(acknowledged.method).toBe("notifications/subscriptions/acknowledged");
    expect(acknowledged["params"]).toMatchObject({
      notifications: { toolsListChanged: true, resourceSubscriptions: ["mem://a"] },
    });
    expect((await bench.events("step_execution_authorized")).map((event) => event["capability"])).toEqual([
      "mcp:read:s/mem:\\/\\/a",
    ]);
    expect((await bench.events("step_execution_denied")).map((event) => event["capability"])).toEqual([
      "mcp:read:s/mem:\\/\\/b",
    ]);
    const sent = bench.logged.filter((line) => line.includes("resourceSubscriptions"));
    expect(sent).toHaveLength(1);
    expect(sent[0]).not.toContain("mem://b");
  });

  test("does not hold out what the server does not", async () => {
    const client = await open();
    const { acknowledged } = await listen(
      client,
      { resourceSubscriptions: ["mem://silent", "mem://a"] },
      "mine",
    );
    expect(acknowledged["params"]).toMatchObject({ notifications: { resourceSubscriptions: ["mem://a"] } });
  });

  test("tells of what was asked for, with the rest of the message as it was", async () => {
    const client = await open();
    await listen(client, { resourceSubscriptions: ["mem://a"] }, 7);
    await listen(client, { resourceSubscriptions: ["mem://a"] }, "7");
    await say(client, { toListeners: [updated("mem://a")] });
    await until(() => told(client, 7).length === 2 && told(client, "7").length === 2, "both are told");
    expect(told(client, 7).at(-1)).toMatchObject({
      method: "notifications/resources/updated",
      params: { uri: "mem://a", odd: "kept", _meta: { other: "kept" } },
    });
  });

  test("tells nothing that nobody asked for: foreign ids, other notifications, questions", async () => {
    const client = await open(["mcp:call:s/**", "mcp:read:s/mem:\\/\\/a"]);
    await listen(client, { resourceSubscriptions: ["mem://a"] }, 7);
    const foreign = [7, "7", 1_000, "x", null, { a: 1 }].map((id) => updated("mem://a", id));
    const unasked = [
      updated("mem://b"),
      {
        jsonrpc: "2.0",
        method: "notifications/message",
        params: { uri: "mem://a", level: "info", data: "x", _meta: { [subscription]: "{SUBSCRIPTION}" } },
      },
      {
        jsonrpc: "2.0",
        method: "notifications/prompts/list_changed",
        params: { _meta: { [subscription]: "{SUBSCRIPTION}" } },
      },
    ];
    const messages = [
      { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "mem://a" } },
      {
        jsonrpc: "2.0",
        method: "notifications/message",
        params: { level: "info", data: "nobody wants logs" },
      },
      { jsonrpc: "2.0", id: 1, method: "sampling/createMessage", params: { messages: [] } },
    ];
    await say(client, { toListeners: [...foreign, ...unasked], messages });
    await say(client, { toListeners: [updated("mem://a")] });
    await until(() => told(client, 7).length > 1, "what was asked for");
    // The ids that the gateway itself gave may have been among those that were guessed; no other subscription's are.
    const heard = told(client, 7).slice(1);
    expect(
      heard.every(
        ({ method, params }) => method?.endsWith("updated") && (params as JsonObject)["uri"] === "mem://a",
      ),
    ).toBe(true);
    expect(client.received.filter(({ id, method }) => id !== undefined && method !== undefined)).toEqual([]);
    expect(JSON.stringify(client.received)).not.toContain("nobody wants logs");
  });

  test("of lists tells when bindings change, and when tools do", async () => {
    const client = await open(["mcp:call:s/**"]);
    await listen(client, { toolsListChanged: true }, 100);
    await bench.grant("mcp:call:s/**");
    await until(
      () => told(client, 100).some(({ method }) => method === "notifications/tools/list_changed"),
      "a binding",
    );
    const before = told(client, 100).length;
    await client.request("tools/call", { name: "change", arguments: {}, ...envelope() });
    await until(() => told(client, 100).length > before, "a tool");
  });

  test("ends when the client cancels it, without an answer; at the server too", async () => {
    const client = await open();
    const { over } = await listen(client, { resourceSubscriptions: ["mem://a"] }, 3);
    let isAnswered = false;
    void over.then(() => (isAnswered = true));
    client.notify("notifications/cancelled", { requestId: 3 });
    await until(() => bench.logged.join().includes("notifications/cancelled"), "the server is told");
    await say(client, { toListeners: [updated("mem://a")] });
    expect([isAnswered, told(client, 3).length]).toEqual([false, 1]);
  });

  test("ends with its permission, and what is left of it is told no more", async () => {
    const client = await open(["mcp:call:s/**"]);
    const binding = await bench.grant("mcp:read:s/**");
    const { over } = await listen(client, { resourceSubscriptions: ["mem://a"] }, 3);
    await bench.pipeline.bindingManager.unbind(binding, { revokedBy: "test" });
    expect((await over)["result"]).toEqual({ resultType: "complete", _meta: { [subscription]: 3 } });
    await until(() => bench.logged.join().includes("notifications/cancelled"), "the server is told");
  });

  test("ends with an answer when its server ends it, or is gone, and can be asked for again", async () => {
    const client = await open();
    const { over } = await listen(client, { resourceSubscriptions: ["mem://a"] }, "first");
    const end = { jsonrpc: "2.0", id: "{SUBSCRIPTION}", result: { resultType: "complete" } };
    await say(client, { toListeners: [end] });
    expect((await over)["result"]).toEqual({ resultType: "complete", _meta: { [subscription]: "first" } });
    const again = await listen(client, { resourceSubscriptions: ["mem://a"] }, "second");
    await client.request("tools/call", { name: "die", arguments: {}, ...envelope() });
    expect((await again.over)["result"]).toMatchObject({ _meta: { [subscription]: "second" } });
    const { acknowledged } = await listen(client, { resourceSubscriptions: ["mem://a"] }, "third");
    expect(acknowledged["params"]).toMatchObject({ notifications: { resourceSubscriptions: ["mem://a"] } });
  });

  test("ends with an answer when the gateway ends", async () => {
    const client = await open();
    const { over } = await listen(client, { toolsListChanged: true }, 5);
    await bench.gateway.close("enough");
    expect((await over)["result"]).toMatchObject({ _meta: { [subscription]: 5 } });
  });

  test("that nothing can come on is over at once; one that is none is refused", async () => {
    const client = await open(["mcp:call:s/**"]);
    const { acknowledged, over } = await listen(client, { resourceSubscriptions: ["mem://a"] }, 5);
    expect(acknowledged["params"]).toMatchObject({ notifications: {} });
    expect((await over)["result"]).toMatchObject({ resultType: "complete" });
    for (const notifications of [
      undefined,
      [],
      { resourceSubscriptions: "mem://a" },
      { resourceSubscriptions: Array(65).fill("x") },
    ]) {
      const params = { ...envelope(), ...(notifications === undefined ? {} : { notifications }) };
      expect((await client.request("subscriptions/listen", params))["error"]).toMatchObject({
        code: -32_602,
      });
    }
  });

  test("is one of sixteen at most", async () => {
    const client = await open();
    for (let n = 1; n <= 16; n++) await listen(client, { toolsListChanged: true }, `l${n}`);
    const notifications = { toolsListChanged: true };
    const refused = await client.request("subscriptions/listen", { notifications, ...envelope() });
    expect(refused["error"]).toMatchObject({ code: -32_000 });
  });
});

describe("what a server says while it works", () => {
  test("a line of its log goes to who wants to read logs, and progress to who asked how it goes", async () => {
    const client = await open();
    const messages = [
      { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "a line" } },
    ];
    await say(client, { messages });
    const logLevel = { "io.modelcontextprotocol/logLevel": "info" };
    await client.request("tools/call", { name: "say", arguments: { messages }, ...envelope({}, logLevel) });
    expect(client.received.filter(({ method }) => method === "notifications/message")).toHaveLength(1);
  });
});

describe("tools", () => {
  test("that changed are withheld: the gateway hears of it whether its client listens or not", async () => {
    const client = await open();
    const call = (name: string): Promise<Message> =>
      client.request("tools/call", { name, arguments: {}, ...envelope() });
    await call("seen");
    await call("change");
    expect(JSON.stringify(await call("result"))).toContain("not what it was when it was accepted");
    const { result } = await client.request("tools/list", envelope());
    expect((result as { tools: { name: string }[] }).tools.map(({ name }) => name)).not.toContain("result");
    expect(await bench.events("mcp_tool_withheld")).toHaveLength(1);
  });

  test("of several servers have their server's name, and one that is gone does not take the others with it", async () => {
    const gone = { command: process.execPath, args: ["-e", "process.exit(1)"] };
    const client = await open(["mcp:call:s/**", "mcp:call:t/**"], { s: server, t: server, gone });
    const { result } = await client.request("server/discover", envelope());
    expect(result).toMatchObject({
      supportedVersions: ["2026-07-28"],
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "synapse-gateway" } },
      ttlMs: 0,
    });
    const list = (await client.request("tools/list", envelope()))["result"] as {
      tools: { name: string }[];
      ttlMs: number;
    };
    expect(list.ttlMs).toBe(5000);
    expect(list.tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["s__seen", "t__seen"]));
    const answer = await client.request("tools/call", { name: "t__seen", arguments: {}, ...envelope() });
    expect(answer["result"]).toMatchObject({ content: [{ text: "called seen" }] });
  });

  test("of a server that was not there when it was asked what it speaks are there when it is", async () => {
    const start = `const { existsSync, writeFileSync } = require("node:fs");
      if (!existsSync("{FOLDER}/begun")) { writeFileSync("{FOLDER}/begun", ""); process.exit(1); }
      import(${JSON.stringify(script)});`;
    const late = { command: process.execPath, args: ["-e", start] };
    const client = await open(["mcp:call:s/**", "mcp:call:late/**"], { s: server, late });
    const { result } = await client.request("server/discover", envelope());
    expect(result).toMatchObject({ supportedVersions: ["2026-07-28"] });
    const answer = await client.request("tools/call", { name: "late__seen", arguments: {}, ...envelope() });
    expect(answer["result"]).toMatchObject({ content: [{ text: "called seen" }] });
  });
});
