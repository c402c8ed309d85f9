/** Which revision is spoken: found out once, and said clearly where there is none for both sides. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, modules, openBench, servers } from "../bench.js";
import type { Message } from "../client.js";
import { type HttpBench, openHttpBench } from "../http/http-bench.js";
import {
  connectByHttp,
  connectByStreams,
  envelope,
  firstText,
  sdkClient,
  sdkServer,
  startSdkServer,
} from "./peers.js";

let bench: Bench | undefined;
let child: ChildProcess | undefined;

afterEach(async () => {
  await bench?.close();
  child?.kill("SIGKILL");
  [bench, child] = [undefined, undefined];
});

const all = ["mcp:*:s/**", "mcp:*:h/**"];
const codeOf = ({ error }: Message): unknown => (error as { code?: number } | undefined)?.code;

async function overHttp(...args: Parameters<typeof openHttpBench>): Promise<HttpBench> {
  const http = await openHttpBench(...args);
  bench = http;
  return http;
}

describe("a client that speaks both", () => {
  test("speaks 2026-07-28 where its servers do", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer() } }, all);
    const client = sdkClient("auto");
    await connectByStreams(bench, client);
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
  });

  test("speaks 2026-07-28 over HTTP as well, with servers at a URL", async () => {
    const started = await startSdkServer();
    child = started.child;
    const http = await overHttp({ mcpServers: { s: { url: started.url }, t: sdkServer() } }, all);
    const client = sdkClient("auto");
    await connectByHttp(http.url, await http.token(), client);
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    expect(firstText(await client.callTool({ name: "s__add", arguments: { a: 1, b: 2 } }))).toBe("3");
  });

  test("falls back where a server at a URL knows sessions alone", async () => {
    const everything = join(modules, "@modelcontextprotocol/server-everything/dist/index.js");
    const socket = createServer().listen(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address() as AddressInfo;
    await new Promise((done) => socket.close(done));
    child = spawn(process.execPath, [everything, "streamableHttp"], {
      env: { ...process.env, PORT: String(port) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    await once(child.stderr as Readable, "data");
    bench = await openBench({ mcpServers: { s: { url: `http://127.0.0.1:${port}/mcp` } } }, all);
    const client = sdkClient("auto");
    await connectByStreams(bench, client);
    expect(client.getNegotiatedProtocolVersion()).toBe("2025-11-25");
    expect(firstText(await client.callTool({ name: "echo", arguments: { message: "hi" } }))).toBe("Echo: hi");
  });

  test("falls back to initialize where one of its servers has to, over streams and over HTTP", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer(), h: servers.hostile() } }, all);
    const client = sdkClient("auto");
    await connectByStreams(bench, client);
    expect(client.getNegotiatedProtocolVersion()).toBe("2025-11-25");
    expect(firstText(await client.callTool({ name: "h__add", arguments: { a: 1, b: 2 } }))).toBe("3");
    expect(firstText(await client.callTool({ name: "s__add", arguments: { a: 1, b: 2 } }))).toBe("3");
    expect(bench.logged.join("\n")).toContain("2026-07-28 is not spoken by h");
    await bench.close();
    const http = await overHttp({ mcpServers: { h: servers.hostile() } }, all);
    const other = sdkClient("auto");
    await connectByHttp(http.url, await http.token(), other);
    expect(other.getNegotiatedProtocolVersion()).toBe("2025-11-25");
    expect(firstText(await other.callTool({ name: "add", arguments: { a: 1, b: 2 } }))).toBe("3");
  });

  test("its server is one program, whichever they come to speak", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile("announce") } }, all);
    const client = bench.connect();
    expect(codeOf(await client.request("server/discover", envelope()))).toBe(-32_601);
    await client.initialize();
    await client.call("pid");
    const pids = bench.logged.filter((line) => line.includes("started as"));
    expect(pids).toHaveLength(1);
  });

  test("may initialize after it has discovered, on the same connection", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer() } }, all);
    const client = bench.connect();
    const { result } = await client.request("server/discover", envelope());
    expect(result).toMatchObject({
      supportedVersions: ["2026-07-28"],
      resultType: "complete",
      cacheScope: "private",
    });
    const answer = await client.initialize();
    expect(answer["result"]).toMatchObject({ protocolVersion: "2025-11-25" });
    expect((await client.call("add", { a: 1, b: 2 }))["result"]).toMatchObject({ content: [{ text: "3" }] });
  });

  test("may initialize while it still waits to hear what is spoken", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile("silent") } }, all);
    const client = bench.connect();
    const discovered = client.request("server/discover", envelope());
    expect((await client.initialize())["result"]).toMatchObject({ protocolVersion: "2025-11-25" });
    expect(codeOf(await discovered)).toBe(-32_601);
    expect((await client.call("add", { a: 1, b: 2 }))["result"]).toMatchObject({ content: [{ text: "3" }] });
  });
});

describe("a client that speaks one", () => {
  test("of before, where servers have no initialize: it is told what they speak", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer("modern") } }, all);
    const refused = await bench.connect().initialize();
    expect(refused["error"]).toMatchObject({ code: -32_022, data: { supported: ["2026-07-28"] } });
    expect(JSON.stringify(refused["error"])).toContain("s speaks 2026-07-28");
    await bench.close();
    const started = await startSdkServer("modern");
    child = started.child;
    bench = await openBench({ mcpServers: { s: { type: "http", url: started.url } } }, all);
    const again = await bench.connect().initialize();
    expect(again["error"]).toMatchObject({ code: -32_022, data: { supported: ["2026-07-28"] } });
  });

  test("of before, where some servers have no initialize: it works with the others", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer("modern"), h: servers.hostile() } }, all);
    const client = bench.connect();
    await client.initialize();
    expect((await client.call("h__add", { a: 1, b: 2 }))["result"]).toMatchObject({
      content: [{ text: "3" }],
    });
    expect(bench.logged.join("\n")).toContain("it speaks 2026-07-28 alone");
  });

  test("of today, where servers want initialize: it is told what they speak", async () => {
    bench = await openBench({ mcpServers: { h: servers.hostile() } }, all);
    const client = bench.connect();
    const { error } = await client.request("tools/list", envelope());
    expect(error).toMatchObject({ code: -32_022, data: { requested: "2026-07-28" } });
    expect(JSON.stringify(error)).toContain("2025-11-25");
    await expect(connectByStreams(bench, sdkClient())).rejects.toThrow();
    expect(await bench.events("run_started")).toEqual([]);
  });
});

describe("one connection speaks one", () => {
  test("what was begun without a session is not initialized, and each request says what it is", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer() } }, all);
    const client = bench.connect();
    await client.request("tools/list", envelope());
    expect((await client.initialize())["error"]).toMatchObject({
      code: -32_022,
      data: { supported: ["2026-07-28"] },
    });
    expect(codeOf(await client.request("tools/list", {}))).toBe(-32_602);
    const { _meta } = envelope();
    const none = { ..._meta, "io.modelcontextprotocol/clientCapabilities": 1 };
    expect(codeOf(await client.request("tools/list", { _meta: none }))).toBe(-32_602);
    const later = { ..._meta, "io.modelcontextprotocol/protocolVersion": "2030-01-01" };
    const refused = await client.request("tools/list", { _meta: later });
    expect(refused["error"]).toMatchObject({
      code: -32_022,
      data: { supported: ["2026-07-28"], requested: "2030-01-01" },
    });
    expect(await bench.events("step_execution_requested")).toEqual([]);
  });

  test("what was initialized takes no request that says it is of another revision", async () => {
    bench = await openBench({ mcpServers: { s: sdkServer() } }, all);
    const client = bench.connect();
    await client.initialize();
    const call = { name: "ask", arguments: { who: "me" }, ...envelope({ elicitation: {} }) };
    expect(codeOf(await client.request("tools/call", call))).toBe(-32_600);
    expect(codeOf(await client.request("server/discover", envelope()))).toBe(-32_601);
    expect(await bench.events("step_execution_requested")).toEqual([]);
  });

  test("over HTTP both are spoken at once, with one token", async () => {
    const http = await overHttp({ mcpServers: { s: sdkServer() } }, all);
    const token = await http.token();
    const [legacy, modern] = [sdkClient("legacy"), sdkClient()];
    await connectByHttp(http.url, token, legacy);
    await connectByHttp(http.url, token, modern);
    expect([legacy, modern].map((client) => client.getNegotiatedProtocolVersion())).toEqual([
      "2025-11-25",
      "2026-07-28",
    ]);
    for (const client of [legacy, modern])
      expect(firstText(await client.callTool({ name: "add", arguments: { a: 1, b: 2 } }))).toBe("3");
    expect(await http.events("run_started")).toHaveLength(2);
  });
});
