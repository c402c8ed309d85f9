/** A server that ends a stream before its answer has its client's stream ended alike: who gets the rest, and when. */
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json.js";
import { textOf, type Message } from "../client.js";
import {
  type Asked,
  event,
  json,
  openScriptedServer,
  saying,
  type ScriptedServer,
} from "../scripted-server.js";
import { type HttpBench, openHttpBench } from "./http-bench.js";
import { type Answer, HttpClient } from "./http-client.js";

let server: ScriptedServer;
let bench: HttpBench;
/** Goes on with the answer, after messages. */
let goOn: (...messages: readonly JsonObject[]) => void;

/** Whether the answer to a second call waits, too. */
let pausing = false;

async function open(): Promise<HttpClient> {
  pausing = false;
  let asked: Asked | undefined;
  let resumed: (response: ServerResponse) => void = () => undefined;
  const response = new Promise<ServerResponse>((done) => (resumed = done));
  goOn = (...messages) =>
    void response.then((stream) => {
      for (const message of messages) stream.write(event(message));
      stream.end(event({ jsonrpc: "2.0", id: asked?.id, result: saying("at last") }));
    });
  server = await openScriptedServer({
    call: (message, stream) => {
      if (asked !== undefined && pausing) {
        stream.writeHead(200, { "content-type": "text/event-stream" });
        return void stream.end("id: up-2\nretry: 1\ndata: \n\n");
      }
      if (asked !== undefined) return json(stream, message, saying("at once"));
      asked = message;
      stream.writeHead(200, { "content-type": "text/event-stream" });
      stream.end("id: up-1\nretry: 1\ndata: \n\n");
    },
    listen: (request, stream) => {
      if (request.headers["last-event-id"] === "up-2") {
        stream.writeHead(200, { "content-type": "text/event-stream" });
        const id = (asked?.id ?? 0) + 1;
        return void stream.end(event({ jsonrpc: "2.0", id, result: saying("as well") }));
      }
      if (request.headers["last-event-id"] !== "up-1") return void stream.writeHead(405).end();
      stream.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      resumed(stream);
    },
  });
  bench = await openHttpBench({ mcpServers: { web: { url: server.url } } }, ["mcp:call:web/**"], {
    pausedMs: 300,
  });
  return bench.client();
}

afterEach(async () => {
  await bench.close();
  server.close();
});

const call = (client: HttpClient, id = 7): Promise<Answer> =>
  client.request("tools/call", { name: "t", arguments: {} }, id);

async function back(client: HttpClient, lastEventId: string): Promise<Answer> {
  return client.send("GET", { accept: "text/event-stream", "last-event-id": lastEventId });
}

describe("a client of 2025-11-25", () => {
  test("is told when to come back and for what, and gets everything in its order", async () => {
    const client = await open();
    await client.initialize();
    const first = await client.raw({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "t" } });
    // Not more often than ten times a second, whatever the server says.
    expect(first).toBe("id: 1\nretry: 100\ndata: \n\n");
    const log = (n: number): JsonObject => ({
      jsonrpc: "2.0",
      method: "notifications/message",
      params: { level: "info", data: n },
    });
    goOn(log(1), log(2));
    await expect.poll(async () => (await bench.events("step_execution_completed")).length).toBe(1);
    const { messages } = await back(client, "1");
    expect(messages.slice(0, 2)).toEqual([log(1), log(2)]);
    expect(textOf(messages.at(-1) as Message)).toBe("at last");
    expect(messages).toHaveLength(3);
    // Its id is free again.
    expect(textOf((await call(client)).messages.at(-1) as Message)).toBe("at once");
  });

  test("who comes back before the answer waits for it; after it there is nothing more to be had", async () => {
    const client = await open();
    await client.initialize();
    await call(client);
    const waiting = back(client, "1");
    goOn();
    expect((await waiting).messages.map((message) => textOf(message))).toEqual(["at last"]);
    // The id is free again.
    expect(textOf((await call(client)).messages.at(-1) as Message)).toBe("at once");
    expect(server.methods.filter((method) => method === "tools/call")).toHaveLength(2);
  });

  test("nobody else gets it: not another session of the same agent, nor another token in this one", async () => {
    const client = await open();
    await client.initialize();
    await call(client);
    const other = await bench.client();
    await other.initialize();
    const { ended } = await other.listen("1");
    goOn();
    await expect.poll(async () => (await bench.events("step_execution_completed")).length).toBe(1);
    const thief = new HttpClient(bench.url, await bench.token("intruder"));
    thief.session = client.session;
    expect((await back(thief, "1")).status).toBe(404);
    expect((await back(client, "1")).messages).toHaveLength(1);
    expect(other.listened).toEqual([]);
    other.vanish();
    await ended;
  });

  test("of two answers that wait, each is to be had under its own id", async () => {
    const client = await open();
    await client.initialize();
    await call(client, 7);
    pausing = true;
    await call(client, 8);
    goOn();
    await expect.poll(async () => (await bench.events("step_execution_completed")).length).toBe(2);
    expect((await back(client, "2")).messages.map(({ id }) => id)).toEqual([8]);
    expect((await back(client, "1")).messages.map(({ id }) => id)).toEqual([7]);
  });

  test("one that does not come back loses the answer, and nothing else: it is recorded, and its id is free", async () => {
    const client = await open();
    await client.initialize();
    await call(client);
    goOn();
    await expect.poll(async () => (await call(client)).status).toBe(200);
    const ended = await bench.events("step_execution_completed");
    expect(ended.map(({ result }) => result)).toEqual(["success", "success"]);
  });

  test("one that cancels meanwhile: the call ends, and nothing waits", async () => {
    const client = await open();
    await client.initialize();
    await call(client);
    await client.post({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
    await expect.poll(async () => (await bench.events("step_execution_completed")).length).toBe(1);
    expect(textOf((await call(client)).messages.at(-1) as Message)).toBe("at once");
  });
});

test("a client of an earlier revision is not asked to come back: its stream stands", async () => {
  const client = await open();
  await client.initialize({}, "2025-06-18");
  const answered = call(client);
  goOn();
  const { type, messages } = await answered;
  expect(type).toBe("text/event-stream");
  expect(textOf(messages.at(-1) as Message)).toBe("at last");
});
