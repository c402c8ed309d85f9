/** A server at a URL is one like any other; what HTTP adds to it is not handed to anybody else. */
import type { ChildProcess } from "node:child_process";
import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bench, openBench } from "./bench.js";
import { freePort, startEverything } from "./child-server.js";
import { type Client, isToolError, type Message, textOf } from "./client.js";
import { openScriptedServer, type Script, type ScriptedServer } from "./scripted-server.js";

describe("the everything server over streamable HTTP", () => {
  let port: number;
  let server: ChildProcess;
  let bench: Bench;
  let client: Client;

  beforeAll(async () => {
    port = await freePort();
    server = await startEverything(port);
    bench = await openBench({ mcpServers: { web: { type: "http", url: `http://127.0.0.1:${port}/mcp` } } }, [
      "mcp:*:web/**",
    ]);
    client = bench.connect();
    client.answers = () => ({
      result: { role: "assistant", content: { type: "text", text: "sampled" }, model: "m" },
    });
    await client.initialize({ sampling: {} });
  });

  afterAll(async () => {
    await bench.close();
    server.kill("SIGKILL");
  });

  test("lists, calls, progress and requests of the server", async () => {
    const list = (await client.request("tools/list", {}))["result"] as { tools: { name: string }[] };
    expect(list.tools.map(({ name }) => name)).toContain("echo");
    expect(textOf(await client.call("echo", { message: "hello" }))).toBe("Echo: hello");
    const _meta = { progressToken: 7 };
    await client.call("trigger-long-running-operation", { duration: 0.3, steps: 2 }, { _meta });
    expect(client.received.some(({ method }) => method === "notifications/progress")).toBe(true);
    const sampled = await client.call("trigger-sampling-request", { prompt: "hello", maxTokens: 10 });
    expect(JSON.stringify(sampled["result"])).toContain("sampled");
  });

  test("a server that was started anew is initialized anew, and no call is sent twice", async () => {
    server.kill("SIGKILL");
    await new Promise((resolve) => server.once("exit", resolve));
    const gone = await client.call("echo", { message: "to nobody" });
    expect(isToolError(gone)).toBe(true);
    expect(textOf(gone)).toContain("upstream_unavailable");
    server = await startEverything(port);
    // It does not know the session of its predecessor, says so, and is begun with again by the next call.
    const first = await client.call("echo", { message: "again" });
    const second = isToolError(first) ? await client.call("echo", { message: "again" }) : first;
    expect(textOf(second)).toBe("Echo: again");
  });
});

describe("a hostile server over HTTP", () => {
  let server: ScriptedServer;
  let answer: Script["call"];

  beforeAll(async () => {
    server = await openScriptedServer({ call: (message, response) => answer(message, response) });
  });

  afterAll(() => server.close());

  async function calling(how: typeof answer): Promise<Message> {
    answer = how;
    const headers = { authorization: "Bearer ${UPSTREAM_TOKEN}" };
    const { url } = server;
    const bench = await openBench({ mcpServers: { web: { url, headers } } }, ["mcp:call:web/**"], {
      ...process.env,
      UPSTREAM_TOKEN: "for-the-upstream",
    });
    const client = bench.connect();
    await client.initialize();
    const message = await client.call("t");
    await bench.close();
    return message;
  }

  test("gets the header that the operator gave it, its session and the revision, each time", async () => {
    const ok = await calling(({ id }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      response.write(`: hello\r\nid: 1\r\nevent: message\r\ndata: {"jsonrpc":"2.0","id":${id},\r`);
      setTimeout(
        () => response.end(`\ndata: "result":{"content":[{"type":"text","text":"streamed"}]}}\r\n\r\n`),
        10,
      );
    });
    expect(textOf(ok)).toBe("streamed");
    const { headers } = server.seen.findLast(({ method }) => method === "POST") as IncomingMessage;
    expect(headers).toMatchObject({
      authorization: "Bearer for-the-upstream",
      "mcp-session-id": expect.stringMatching(/^s-\d+$/) as string,
      "mcp-protocol-version": "2025-11-25",
    });
    expect(server.seen.some(({ method }) => method === "DELETE")).toBe(true);
  });

  test.each<[string, typeof answer]>([
    ["a redirect", (_, response) => void response.writeHead(307, { location: "/steal" }).end()],
    ["a page", (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
    ["an error", (_, response) => void response.writeHead(500).end("stack trace with a token")],
    [
      "a stream that ends early",
      (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).end(": bye\n\n"),
    ],
    ["a cut connection", (_, response) => void response.destroy()],
    [
      "an endless event",
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).write("data: ");
        const timer = setInterval(() => response.write("x".repeat(1_000_000)), 1);
        response.on("close", () => clearInterval(timer));
      },
    ],
  ])("%s is an error for the call that it answers, and for no other", async (_, how) => {
    const failed = await calling(how);
    expect(isToolError(failed)).toBe(true);
    expect(textOf(failed)).toContain("(upstream_unavailable)");
    expect(textOf(failed)).not.toContain("token");
    expect(server.seen.filter((request) => request.url?.endsWith("/steal"))).toEqual([]);
  });
});
