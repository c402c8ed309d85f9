/**
 * Streams of a server at a URL that are cut, on real sockets: taken up again where the server lets that be, and never
 * by sending the call once more.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/model/json.js";
import { type Bench, openBench } from "./bench.js";
import { type Client, isToolError, type Message, textOf } from "./client.js";
import {
  type Asked,
  event,
  json,
  openScriptedServer,
  saying,
  type Script,
  type ScriptedServer,
} from "./scripted-server.js";

let server: ScriptedServer;
let bench: Bench;

afterEach(async () => {
  await bench.close();
  server.close();
});

async function open(script: Partial<Script>): Promise<Client> {
  server = await openScriptedServer({
    call: (message, response) => json(response, message, saying("ok")),
    ...script,
  });
  bench = await openBench({ mcpServers: { web: { url: server.url } } }, ["mcp:call:web/**"]);
  const client = bench.connect();
  await client.initialize();
  return client;
}

function stream(response: ServerResponse, ...events: readonly string[]): ServerResponse {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const each of events) response.write(each);
  return response;
}

/** Ends a connection in the middle, when what was written has left. */
function cut(response: ServerResponse): void {
  setTimeout(() => response.destroy(), 20);
}

const position = (id: string, retry = 10): string => `id: ${id}\nretry: ${retry}\ndata: \n\n`;
const answer = ({ id }: Asked, text: string): JsonObject => ({
  jsonrpc: "2.0",
  id,
  result: saying(text) as JsonObject,
});
const isResumption = ({ headers }: IncomingMessage): boolean => headers["last-event-id"] !== undefined;
const lastIds = (): readonly unknown[] =>
  server.seen.filter(isResumption).map(({ headers }) => headers["last-event-id"]);
const timesCalled = (): number => server.methods.filter((method) => method === "tools/call").length;

/** A server that keeps the answer of its one call, and gives it to whoever comes again. */
function resumable(...ends: readonly ((response: ServerResponse) => void)[]): Partial<Script> {
  let asked: Asked | undefined;
  let times = 0;
  const next = (response: ServerResponse): void => {
    const end = ends[times++];
    if (end === undefined && asked !== undefined)
      stream(response, event(answer(asked, "after all"), `e${times}`)).end();
    else end?.(response);
  };
  return {
    call: (message, response) => {
      asked = message;
      next(response);
    },
    listen: (request, response) => {
      if (isResumption(request)) next(response);
      else response.writeHead(405).end();
    },
  };
}

describe("a stream with ids goes on where it was", () => {
  test("after a cut", async () => {
    const client = await open(resumable((response) => cut(stream(response, position("e0")))));
    expect(textOf(await client.call("t"))).toBe("after all");
    expect(lastIds()).toEqual(["e0"]);
    expect(timesCalled()).toBe(1);
  });

  test("after a polite end, a cut in the middle of an event, and a server that is busy for a moment", async () => {
    const client = await open(
      resumable(
        (response) => stream(response, position("e0")).end(),
        (response) => cut(stream(response, position("e1"), 'id: e2\ndata: {"jsonrpc"')),
        (response) => void response.destroy(),
        (response) => void response.destroy(),
      ),
    );
    expect(textOf(await client.call("t"))).toBe("after all");
    // Of the event that was not whole nothing counts.
    expect(lastIds()).toEqual(["e0", "e1", "e1", "e1"]);
    expect(timesCalled()).toBe(1);
  });

  test("what came before the cut has been passed on, and is not passed on twice", async () => {
    const progress = (n: number): JsonObject => ({
      jsonrpc: "2.0",
      method: "notifications/message",
      params: { level: "info", data: n },
    });
    const client = await open(
      resumable(
        (response) => cut(stream(response, position("e0"), event(progress(1), "e1"))),
        (response) => cut(stream(response, event(progress(2), "e2"))),
      ),
    );
    await client.call("t");
    const data = client.received
      .filter(({ method }) => method === "notifications/message")
      .map(({ params }) => (params as { data: unknown }).data);
    expect(data).toEqual([1, 2]);
    expect(lastIds()).toEqual(["e1", "e2"]);
  });

  test("many times, for a call that takes its time", async () => {
    const ends = Array.from(
      { length: 30 },
      (_, n) => (response: ServerResponse) => void stream(response, position(`e${n}`, 1)).end(),
    );
    const client = await open(resumable(...ends));
    expect(textOf(await client.call("t"))).toBe("after all");
    expect(lastIds()).toHaveLength(30);
  });
});

describe("otherwise the call fails, with an error that says so, and is not made again", () => {
  async function failed(script: Partial<Script>): Promise<void> {
    const client = await open(script);
    const message: Message = await client.call("t");
    expect(isToolError(message)).toBe(true);
    expect(textOf(message)).toContain("(upstream_unavailable)");
    expect(timesCalled()).toBe(1);
    const [last] = (await bench.events("step_execution_completed")).slice(-1);
    expect(last).toMatchObject({ result: "failure", code: "upstream_unavailable" });
    // The connection stands.
    expect((await client.request("tools/list"))["result"]).toBeDefined();
  }

  test("a stream without ids", async () => {
    await failed({ call: (_, response) => cut(stream(response, ": hello\n\n")) });
    expect(lastIds()).toEqual([]);
  });

  test("a server that does not give what came after", async () => {
    await failed({
      call: (_, response) => cut(stream(response, position("e0"))),
      listen: (_, response) => void response.writeHead(400).end(),
    });
    expect(lastIds()).toEqual(["e0"]);
  });

  test("a server that is not there any more: it is tried a few times", async () => {
    await failed({
      call: (_, response) => cut(stream(response, position("e0", 1))),
      listen: (_, response) => void response.destroy(),
    });
    expect(lastIds()).toHaveLength(5);
  });

  test("an answer that is cut in its length", async () => {
    await failed({
      call: (_, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write('{"jsonrpc"');
        cut(response);
      },
    });
    expect(lastIds()).toEqual([]);
  });
});

test("the answer to a call that was cancelled is not waited for: its stream is closed", async () => {
  let closed = false;
  const client = await open({
    call: (_, response) => {
      stream(response, position("e0"));
      response.on("close", () => (closed = true));
    },
  });
  client.send({ jsonrpc: "2.0", id: "x", method: "tools/call", params: { name: "t", arguments: {} } });
  await expect.poll(timesCalled).toBe(1);
  client.notify("notifications/cancelled", { requestId: "x" });
  await expect.poll(() => closed).toBe(true);
  expect(server.methods).toContain("notifications/cancelled");
  expect(lastIds()).toEqual([]);
});

describe("a session that the server does not know any more", () => {
  let forgotten: string | undefined;
  const door: Script["door"] = ({ headers }, response) => {
    if (forgotten === undefined || headers["mcp-session-id"] !== forgotten) return false;
    response.writeHead(404).end();
    return true;
  };

  test("a call that finds that out fails; the next one begins anew, and neither is sent twice", async () => {
    forgotten = undefined;
    const client = await open({ door });
    expect(textOf(await client.call("t"))).toBe("ok");
    forgotten = "s-1";
    const first = await client.call("t");
    expect([isToolError(first), textOf(first).includes("(upstream_unavailable)")]).toEqual([true, true]);
    expect(textOf(await client.call("t"))).toBe("ok");
    expect(server.methods.filter((method) => method === "initialize")).toHaveLength(2);
    expect(timesCalled()).toBe(2);
    expect(server.seen.at(-1)?.headers["mcp-session-id"]).toBe("s-2");
  });

  test("a stream that was cut: the call fails, for its answer is lost with the session", async () => {
    forgotten = undefined;
    const client = await open({
      door,
      call: (message, response) => {
        if (forgotten !== undefined) return json(response, message, saying("ok"));
        forgotten = "s-1";
        cut(stream(response, position("e0")));
      },
    });
    expect(isToolError(await client.call("t"))).toBe(true);
    expect(textOf(await client.call("t"))).toBe("ok");
    expect(timesCalled()).toBe(2);
  });
});

test("the stream for what belongs to no request is opened again, behind its last event", async () => {
  let opened = 0;
  const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
  const client = await open({
    listen: (_, response) => {
      opened++;
      if (opened === 1) cut(stream(response, position("n0", 10)));
      else if (opened === 2) response.destroy();
      else stream(response, event(changed, "n1"));
    },
  });
  await client.next(({ method }) => method === "notifications/tools/list_changed");
  expect(lastIds()).toEqual(["n0", "n0"]);
  expect(textOf(await client.call("t"))).toBe("ok");
});
