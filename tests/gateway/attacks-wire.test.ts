/** Hostile clients, and what goes wrong on the wire; named after the cases of the catalogue of attacks. */
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, openBench, servers } from "./bench.js";
import { type Client, isToolError, type Message, textOf } from "./client.js";

let bench: Bench;
afterEach(() => bench.close());

async function open(grants = ["mcp:call:h/**"], more = {}): Promise<Client> {
  bench = await openBench({ mcpServers: { h: servers.hostile() }, ...more }, grants);
  const client = bench.connect();
  await client.initialize();
  return client;
}

const codeOf = ({ error }: Message): number | undefined => (error as { code?: number } | undefined)?.code;

describe("size", () => {
  test("mcpatk-35 mcpatk-40 a message that does not end, ends the connection and what was under way", async () => {
    const client = await open();
    void client.call("hold");
    await expect.poll(async () => (await bench.events("effect_attempted")).length).toBe(1);
    client.raw("x".repeat(2 * 1024 * 1024));
    await expect.poll(async () => (await bench.events("run_completed")).length).toBe(1);
    expect((await bench.events("step_execution_completed"))[0]).toMatchObject({ code: "cancelled" });
  });

  test("mcpatk-36 an answer without end is an error for its call; the server is ended, and started by the next", async () => {
    const client = await open(["mcp:call:h/**"], { synapse: { limits: { message_bytes: 100_000 } } });
    const before = textOf(await client.call("pid"));
    const flood = await client.call("flood");
    expect(isToolError(flood)).toBe(true);
    expect(textOf(flood)).toContain("(upstream_unavailable)");
    expect(textOf(await client.call("pid"))).not.toBe(before);
    expect(bench.logged.join("\n")).toContain("more than 100000 bytes");
  });

  test("mcpatk-37 nesting without end is refused before it is parsed, from either side", async () => {
    const client = await open();
    const refused = client.answerTo(null);
    client.raw(
      `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n`,
    );
    expect(codeOf(await refused)).toBe(-32700);
    expect(textOf(await client.call("deep"))).toBe("after depth");
  });

  test("an answer larger than its binding allows is an error, and recorded", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile() } }, [
      { capability: "mcp:call:h/**", constraints: { max_output_bytes: 100_000 } },
    ]);
    const client = bench.connect();
    await client.initialize();
    expect(textOf(await client.call("huge", { bytes: 90_000 }))).toHaveLength(90_000);
    expect(textOf(await client.call("huge", { bytes: 110_000 }))).toContain("(output_too_large)");
    expect((await bench.events("step_execution_completed")).at(-1)).toMatchObject({
      code: "output_too_large",
    });
  });
});

describe("messages that are none", () => {
  test.each<[string, string, number, string | number | null]>([
    ["mcpatk-41 not JSON", "this is not JSON", -32700, null],
    ["mcpatk-41 cut short", '{"jsonrpc":"2.0","id":1', -32700, null],
    ["mcpatk-41 a byte order mark", '\ufeff{"jsonrpc":"2.0","id":5,"method":"ping"}', -32700, null],
    ["mcpatk-42 another version", '{"jsonrpc":"1.0","id":5,"method":"ping"}', -32600, 5],
    ["mcpatk-42 no method", '{"jsonrpc":"2.0","id":5}', -32600, 5],
    ["mcpatk-42 a method that is a number", '{"jsonrpc":"2.0","id":5,"method":1}', -32600, 5],
    [
      "mcpatk-42 parameters that are text",
      '{"jsonrpc":"2.0","id":5,"method":"ping","params":"x"}',
      -32600,
      5,
    ],
    ["mcpatk-42 a result and an error", '{"jsonrpc":"2.0","id":5,"result":{},"error":{}}', -32600, 5],
    ["mcpatk-43 an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, null],
    ["mcpatk-43 an id that is null", '{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, null],
    ["mcpatk-43 a fraction", '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, null],
    ["mcpatk-43 2^53 + 1", '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600, null],
    [
      "mcpatk-43 a very long id",
      `{"jsonrpc":"2.0","id":"${"x".repeat(2_000)}","method":"ping"}`,
      -32600,
      null,
    ],
    [
      "mcpatk-49 a batch",
      '[{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add"}}]',
      -32600,
      null,
    ],
    ["mcpatk-50 an empty batch", "[]", -32600, null],
    ["mcpatk-50 a nested batch", "[[[]]]", -32600, null],
  ])("%s", async (_, line, code, id) => {
    const client = await open();
    const answer = client.next((message) => message.method === undefined);
    client.raw(`${line}\n`);
    const refused = await answer;
    expect(codeOf(refused)).toBe(code);
    expect(refused.id).toBe(id);
    expect((await client.request("ping"))["result"]).toEqual({});
    expect(await bench.events("step_execution_requested")).toEqual([]);
  });

  test("mcpatk-41 bytes that are not UTF-8", async () => {
    const client = await open();
    const answer = client.answerTo(null);
    client.raw(Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]) as unknown as string);
    expect(codeOf(await answer)).toBe(-32700);
  });

  test("mcpatk-44 a message over several lines is several bad lines, and the next is read", async () => {
    const client = await open();
    client.raw(JSON.stringify({ jsonrpc: "2.0", id: 5, method: "ping" }, null, 2) + "\r\n");
    expect((await client.request("ping"))["result"]).toEqual({});
    expect(client.received.filter((message) => codeOf(message) === -32700)).toHaveLength(5);
  });

  test("mcpatk-51 of a batch nothing is done, not even what would be allowed", async () => {
    const client = await open(["mcp:call:h/add"]);
    const call = (id: number, name: string) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name, arguments: { a: 1, b: 2 } },
    });
    const answer = client.answerTo(null);
    client.raw(`${JSON.stringify([call(1, "add"), call(2, "delete_all")])}\n`);
    expect(codeOf(await answer)).toBe(-32600);
    expect(await bench.events("effect_attempted")).toEqual([]);
  });

  test("mcpatk-47 nothing is done before the session is initialized, and it is initialized once", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
    const client = bench.connect();
    expect(codeOf(await client.call("add", { a: 1, b: 2 }))).toBe(-32600);
    expect((await client.request("ping"))["result"]).toEqual({});
    await client.initialize();
    expect(codeOf(await client.initialize())).toBe(-32600);
    expect(await bench.events("step_execution_requested")).toEqual([]);
  });

  test("mcpatk-46 revisions that are not spoken are named", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
    const client = bench.connect();
    expect(codeOf(await client.request("server/discover", {}))).toBe(-32601);
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const refused = await client.call("add", { a: 1, b: 2 }, { _meta });
    expect(refused["error"]).toMatchObject({ code: -32022, data: { requested: "2026-07-28" } });
    const { result } = (await client.initialize({}, "2026-07-28")) as { result: { protocolVersion: string } };
    expect(result.protocolVersion).toBe("2025-11-25");
  });

  test("a server of a revision that is not spoken is refused", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile("old") } });
    expect(codeOf(await bench.connect().initialize())).toBe(-32000);
    expect(bench.logged.join("\n")).toContain("speaks `2019-01-01`");
  });

  test("mcpatk-48 a call without an id is not made", async () => {
    const client = await open();
    client.notify("tools/call", { name: "delete_all", arguments: {} });
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    expect(await bench.events("effect_attempted")).toHaveLength(1);
  });
});

describe("ids", () => {
  test('mcpatk-52 mcpatk-55 equal ids of two clients, and 1 and "1" of one, never meet', async () => {
    const one = await open();
    const other = bench.connect();
    await other.initialize();
    const say = (client: Client, id: string | number, text: string) =>
      client.request("tools/call", { name: "echo", arguments: { text } }, id);
    const answers = await Promise.all([
      say(one, 1, "a"),
      say(one, "1", "b"),
      say(other, 1, "c"),
      say(other, "1", "d"),
    ]);
    expect(answers.map(textOf)).toEqual(["a", "b", "c", "d"]);
  });

  test("mcpatk-53 an id that is in use is refused, and its call is answered once", async () => {
    const client = await open();
    const hold = client.request("tools/call", { name: "hold", arguments: {} }, 7);
    client.send({
      jsonrpc: "2.0",
      id: 7,
      method: "tools/call",
      params: { name: "delete_all", arguments: {} },
    });
    expect(codeOf(await hold)).toBe(-32600);
    client.notify("notifications/cancelled", { requestId: 7 });
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    expect((await bench.events("effect_attempted")).map(({ capability }) => capability)).not.toContain(
      "mcp:call:h/delete_all",
    );
  });

  test("mcpatk-54 answers that nobody asked for, and second answers, reach nobody", async () => {
    const client = await open();
    expect(textOf(await client.call("spoof"))).toBe("own");
    expect(textOf(await client.call("twice"))).toBe("first");
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    expect(client.received.filter((message) => JSON.stringify(message).includes("spoofed"))).toEqual([]);
    expect(bench.logged.join("\n")).toContain("never made");
    expect(bench.logged.join("\n")).toContain("answered one twice");
  });

  test("mcpatk-56 nobody cancels, or hears of, another's call", async () => {
    const client = await open();
    const other = bench.connect();
    await other.initialize();
    const held = client.request("tools/call", { name: "echo", arguments: { text: "mine" } }, 1);
    for (const requestId of [1, "1", 2, 0]) other.notify("notifications/cancelled", { requestId });
    other.notify("notifications/progress", { progressToken: 1, progress: 1 });
    other.send({ jsonrpc: "2.0", id: 1, result: {} });
    expect(textOf(await held)).toBe("mine");
    expect((await other.request("ping"))["result"]).toEqual({});
  });

  test("a cancelled call is cancelled at its server, gets no answer, and is recorded as cancelled", async () => {
    const client = await open();
    const progress = client.next(({ method }) => method === "notifications/progress");
    client.send({
      jsonrpc: "2.0",
      id: 5,
      method: "tools/call",
      params: { name: "hold", arguments: {}, _meta: { progressToken: "t" } },
    });
    await progress;
    client.notify("notifications/cancelled", { requestId: 5 });
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    await bench.gateway.close("done");
    expect(bench.logged).toContain("h: cancelled");
    expect(client.received.filter(({ id }) => id === 5)).toEqual([]);
    const codes = (await bench.events("step_execution_completed")).map(({ code }) => code);
    expect(codes).toContain("cancelled");
  });

  test("more requests than are allowed at a time are refused, and the others go on", async () => {
    const client = await open(["mcp:call:h/**"], { synapse: { limits: { in_flight: 2 } } });
    client.send({ jsonrpc: "2.0", id: "a", method: "tools/call", params: { name: "hold", arguments: {} } });
    client.send({ jsonrpc: "2.0", id: "b", method: "tools/call", params: { name: "hold", arguments: {} } });
    expect(codeOf(await client.call("add", { a: 1, b: 2 }))).toBe(-32000);
    client.notify("notifications/cancelled", { requestId: "a" });
    await expect.poll(async () => textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
  });
});
