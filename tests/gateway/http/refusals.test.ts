/** What is refused at the HTTP door before a message counts as one: by status, by code, and with nothing begun. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { servers } from "../bench.js";
import { type HttpBench, openHttpBench } from "./http-bench.js";
import { type HttpClient, reasonOf } from "./http-client.js";

let bench: HttpBench;
let client: HttpClient;

beforeAll(async () => {
  bench = await openHttpBench(
    { mcpServers: { h: servers.hostile() } },
    ["mcp:*:h/**"],
    { headersMs: 1_000, requestMs: 1_500, bodiesBytesMax: 1_200_000 },
    { hosts: ["gateway.test"], origins: ["https://app.test"] },
  );
  client = await bench.client();
  await client.initialize();
});

afterAll(() => bench.close());

/** With headers that `fetch` would not send. */
function raw(
  headers: Record<string, string>,
  path = "/mcp",
  method = "GET",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: "127.0.0.1", port: bench.door.port, path, method, headers, agent: false },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

describe("DNS rebinding", () => {
  test.each(["evil.test", "evil.test:8808", "127.0.0.1.evil.test", "localhost@evil.test", "[::2]"])(
    "mcpatk-32 a Host of `%s` is refused, whatever else the request has",
    async (host) => {
      const { status, body } = await raw({ ...client.headers(), host });
      expect(status).toBe(403);
      expect(body).toContain('"host_not_allowed"');
    },
  );

  test.each(["localhost:1", "127.0.0.1", "[::1]:8808", "GATEWAY.test"])(
    "a Host of `%s` is let in",
    async (host) => {
      const { status } = await raw({ host }, "/.well-known/oauth-protected-resource");
      expect(status).toBe(200);
    },
  );

  test.each([
    "https://evil.test",
    "null",
    "http://app.test",
    "https://app.test.evil.test",
    "http://127.0.0.1",
  ])("mcpatk-32 a page of `%s` is refused", async (origin) => {
    const answer = await client.post({ jsonrpc: "2.0", id: 1, method: "ping" }, { origin });
    expect([answer.status, reasonOf(answer)]).toEqual([403, "origin_not_allowed"]);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a page that may ask is told so, before it asks and after", async () => {
    const asked = await raw({ origin: "https://app.test" }, "/mcp", "OPTIONS");
    expect(asked.status).toBe(204);
    expect(asked.headers["access-control-allow-origin"]).toBe("https://app.test");
    const answer = await client.post(
      { jsonrpc: "2.0", id: 1, method: "ping" },
      { origin: "https://app.test" },
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-expose-headers")).toContain("mcp-session-id");
  });
});

describe("what is no message of a session", () => {
  const ping = { jsonrpc: "2.0", id: 1, method: "ping" };

  test.each<[string, string | typeof ping, Record<string, string>, number, string]>([
    ["mcpatk-45 text, as a page may send it", ping, { "content-type": "text/plain" }, 415, "not_json"],
    ["mcpatk-45 a form", "a=b", { "content-type": "application/x-www-form-urlencoded" }, 415, "not_json"],
    [
      "mcpatk-45 text that names JSON",
      ping,
      { "content-type": "text/plain; x=application/json" },
      415,
      "not_json",
    ],
    ["no JSON", "{", {}, 400, "message_unreadable"],
    ["not UTF-8 once decoded", "[".repeat(100), {}, 400, "message_unreadable"],
    ["a batch", JSON.stringify([ping, ping]), {}, 400, "message_malformed"],
    ["an id of null", JSON.stringify({ ...ping, id: null }), {}, 400, "message_malformed"],
    [
      "larger than is taken",
      JSON.stringify({ ...ping, params: { x: "x".repeat(1024 * 1024) } }),
      {},
      413,
      "message_too_large",
    ],
    ["mcpatk-45 an Accept without streams", ping, { accept: "application/json" }, 406, "not_acceptable"],
    ["mcpatk-45 an Accept without JSON", ping, { accept: "text/event-stream" }, 406, "not_acceptable"],
    [
      "a revision in the header alone",
      ping,
      { "mcp-protocol-version": "2026-07-28" },
      400,
      "envelope_invalid",
    ],
    ["a revision that is none", ping, { "mcp-protocol-version": "1" }, 400, "unsupported_version"],
    ["an unknown session", ping, { "mcp-session-id": "x" }, 404, "session_unknown"],
    ["a session that was told twice", ping, { "mcp-session-id": "x, y" }, 404, "session_unknown"],
  ])("%s", async (_, body, more, status, code) => {
    const answer = await client.post(body, more);
    expect([answer.status, reasonOf(answer)]).toEqual([status, code]);
  });

  test("a body that says its length and is longer than is taken is not read", async () => {
    const { status, body } = await raw(
      { ...client.headers(), "content-length": String(2 * 1024 * 1024) },
      "/mcp",
      "POST",
    ).catch(() => ({ status: 413, body: "cut" }));
    expect([status, body]).not.toEqual([200, ""]);
  });

  test("a request without a session that is no initialize", async () => {
    const stranger = await bench.client();
    const answer = await stranger.post(ping);
    expect([answer.status, reasonOf(answer)]).toEqual([400, "session_missing"]);
    expect(reasonOf(await stranger.send("GET"))).toBe("session_missing");
    expect(reasonOf(await stranger.send("DELETE"))).toBe("session_missing");
  });

  test("a second initialize in a session", async () => {
    const answer = await client.post({ jsonrpc: "2.0", id: 9, method: "initialize", params: {} });
    expect([answer.status, reasonOf(answer)]).toEqual([400, "already_initialized"]);
  });

  test('an id that is in use; `1` and `"1"` are two ids', async () => {
    const slow = client.request("tools/call", { name: "hold", arguments: {} }, 77);
    await expect
      .poll(async () => (await bench.events("step_execution_authorized")).length)
      .toBeGreaterThan(0);
    const answer = await client.request("ping", {}, 77);
    expect([answer.status, reasonOf(answer)]).toEqual([400, "duplicate_id"]);
    expect(answer.messages[0]?.id).toBe(77);
    expect((await client.request("ping", {}, "77")).status).toBe(200);
    await client.post({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 77 } });
    // No answer comes, and the stream does not stay open for one.
    expect((await slow).messages).toEqual([]);
  });

  test("more bodies at a time than an agent may send; another agent's are taken", async () => {
    const most = connect(bench.door.port, "127.0.0.1");
    most.on("error", () => undefined);
    most.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${client.token}\r\n` +
        `Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(999_000)}`,
    );
    // It has to be in before anything else is: of two that come together, either one may be the one too many.
    for (let n = 0; n < 50; n++) await client.post(ping);
    const large = { ...ping, params: { x: "x".repeat(300_000) } };
    await expect.poll(async () => reasonOf(await client.post(large))).toBe("too_many_requests");
    const other = await bench.client(await bench.token("other"));
    await other.initialize();
    expect((await other.post(large)).status).toBe(200);
    most.destroy();
    await expect.poll(async () => (await client.post(large)).status).toBe(200);
  });

  test("another method, another path", async () => {
    const answer = await client.send("PUT");
    expect([answer.status, reasonOf(answer)]).toEqual([405, "method_not_allowed"]);
    expect(answer.headers.get("allow")).toBe("POST, GET, DELETE");
    const { status, body } = await raw(client.headers(), "/");
    expect(status).toBe(404);
    expect(body).toContain('"no_such_path"');
  });

  test("headers that never end, and a body that never ends, are cut off", async () => {
    const answers = ["POST /mcp HTTP/1.1\r\nHost: localhost\r\n", ""].map(async (start, index) => {
      const body =
        index === 0
          ? ""
          : `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${client.token}\r\n` +
            "Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
      const socket = connect(bench.door.port, "127.0.0.1");
      socket.write(start + body);
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
      socket.on("error", () => undefined);
      await new Promise((resolve) => socket.once("close", resolve));
      return text;
    });
    for (const text of await Promise.all(answers)) expect(text).toMatch(/^HTTP\/1.1 4|^$/);
  });
});
