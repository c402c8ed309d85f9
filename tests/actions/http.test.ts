import { afterEach, describe, expect, test } from "vitest";
import { createHttpHandle, type HttpOptions } from "../../src/actions/handles/http.js";
import type { HttpHandle } from "../../src/core/ports.js";
import { EffectDeniedError, EffectFailedError, InvalidDataError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, startTcp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate, type TestGate } from "./test-gate.js";

const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
async function serve(...settings: Parameters<typeof startHttp>): Promise<RunningServer> {
  const server = await startHttp(...settings);
  servers.push(server);
  return server;
}

function handleFor(
  server: RunningServer,
  options: HttpOptions & { methods?: readonly string[]; bytesMax?: number } = {},
): { http: HttpHandle; gate: TestGate; url: string } {
  const { methods = ["GET", "HEAD", "POST", "PUT", "DELETE"], bytesMax, ...rest } = options;
  const url = `http://127.0.0.1:${server.port}`;
  const gate = createTestGate({
    grants: methods.map((method) => `net:http:${method} ${url}/**`),
    allowPrivate: ["127.0.0.0/8"],
    ...(bytesMax === undefined ? {} : { bytesMax }),
  });
  return { http: createHttpHandle(gate, rest), gate, url };
}

describe("a request that is allowed", () => {
  test("gives status, headers and text, and is one effect with what was asked", async () => {
    const server = await serve((_, response) => response.writeHead(201, { "X-Kind": "note" }).end("héllo"));
    const { http, gate, url } = handleFor(server);
    const asked = { url: `${url}/notes?draft=1#top`, method: "post", headers: { "X-B": "2", "x-a": "1" } };
    const response = await http.request({ ...asked, body: "new note" });
    expect(response).toEqual({ status: 201, headers: { "x-kind": "note" }, text: "héllo" });
    expect(server.requests).toMatchObject([{ method: "POST", path: "/notes?draft=1", body: "new note" }]);
    expect(gate.effects).toEqual([
      {
        kind: "http.request",
        outcome: "performed",
        capabilities: [`net:http:POST ${url}/notes`],
        reached: [`net:http:POST ${url}/notes`],
        request: {
          url: `${url}/notes?draft=1#top`,
          method: "POST",
          headers: { "x-a": "1", "x-b": "2" },
          body: "new note",
        },
      },
    ]);
  });

  test("an error status is an answer, not a failure", async () => {
    const server = await serve((_, response) => response.writeHead(503).end("busy"));
    const { http, url } = handleFor(server);
    expect(await http.request({ url })).toMatchObject({ status: 503, text: "busy" });
  });

  test("a body that is not UTF-8 comes as bytes, and bytes are sent as they are", async () => {
    const server = await serve((request, response) =>
      response.end(Buffer.from(request.method === "POST" ? [0xff, 0x00, 0xfe] : [])),
    );
    const { http, url } = handleFor(server);
    const response = await http.request({ url, method: "POST", body: { $bytes: "aGk=" } });
    expect(response).toMatchObject({ bytes: { $bytes: "/wD+" } });
    expect(server.requests[0]?.body).toBe("hi");
  });

  test("a byte order mark is kept", async () => {
    const server = await serve((_, response) => response.end("\ufeffx"));
    const { http, url } = handleFor(server);
    expect(await http.request({ url })).toMatchObject({ text: "\ufeffx" });
  });

  test("HEAD gives headers and an empty text, whatever length is announced", async () => {
    const server = await serve((_, response) => response.writeHead(200, { "content-length": "999" }).end());
    const { http, url } = handleFor(server, { bodyBytesMax: 10 });
    expect(await http.request({ url, method: "HEAD" })).toEqual({ status: 200, headers: {}, text: "" });
  });

  test("what goes over the wire is ours: host, plain encoding, no connection kept", async () => {
    const server = await serve((_, response) => response.end());
    const { http, url } = handleFor(server);
    await http.request({ url: `${url}/` });
    expect(server.requests[0]?.headers).toEqual({
      host: `127.0.0.1:${server.port}`,
      connection: "close",
      "accept-encoding": "identity",
      accept: "*/*",
      "user-agent": "synapse-pipeline",
    });
  });

  test("two spellings of one path are sent as the one that was checked", async () => {
    const server = await serve((_, response) => response.end());
    const { http, gate, url } = handleFor(server);
    await http.request({ url: `${url}/%61%7e/%c3%a9` });
    expect(server.requests[0]?.path).toBe("/a~/%C3%A9");
    expect(gate.effects[0]?.reached).toEqual(gate.effects[0]?.capabilities);
  });
});

describe("equal worlds give equal answers", () => {
  test("headers of one moment, connection or machine are left out, the rest is sorted and joined", async () => {
    const server = await serve((_, response) => {
      response.setHeader("Vary", ["accept", "origin"]);
      response.setHeader("Link", "<a>");
      response.setHeader("Content-Type", "text/plain");
      for (const name of ["Age", "ETag", "Expires", "Last-Modified", "Server-Timing", "NEL", "Via"]) {
        response.setHeader(name, "1");
      }
      for (const name of [
        "X-Request-Id",
        "Request-Id",
        "X-Amzn-RequestId",
        "CF-Ray",
        "X-GitHub-Request-Id",
      ]) {
        response.setHeader(name, "1");
      }
      for (const name of ["Set-Cookie", "Alt-Svc", "Report-To", "Keep-Alive", "Date"])
        response.setHeader(name, "1");
      response.end();
    });
    const { http, url } = handleFor(server);
    const { headers } = await http.request({ url });
    expect(Object.entries(headers)).toEqual([
      ["content-type", "text/plain"],
      ["link", "<a>"],
      ["vary", "accept, origin"],
    ]);
  });

  test("header names that are traps of JavaScript objects are plain data or absent", async () => {
    const server = await startTcp((socket) =>
      socket.end(
        "HTTP/1.1 200 OK\r\n__proto__: x\r\nconstructor: y\r\nconstructor: z\r\nContent-Length: 0\r\n\r\n",
      ),
    );
    servers.push(server);
    const { http, url } = handleFor(server);
    const { headers } = await http.request({ url });
    expect(Object.entries(headers)).toEqual([["constructor", "y, z"]]);
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
  });
});

describe("requests that are refused whatever the authority", () => {
  const forbidden = [
    "Host",
    "Connection",
    "TE",
    "Trailer",
    "Upgrade",
    "Transfer-Encoding",
    "Content-Length",
    "Expect",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Accept-Encoding",
  ];
  test.each(forbidden)("the header %s", async (name) => {
    const server = await serve((_, response) => response.end());
    const { http, gate, url } = handleFor(server);
    await refusal(http.request({ url, headers: { [name]: "x" } }), EffectDeniedError, "forbidden_header");
    expect(gate.effects).toMatchObject([{ outcome: "denied", code: "forbidden_header" }]);
    expect(server.connections()).toBe(0);
  });

  test.each([
    ["a line break in a value", { a: "1\r\nHost: evil" }],
    ["a bare line feed", { a: "1\nb: 2" }],
    ["NUL", { a: "1\0" }],
    ["text that is not ASCII", { a: "\u010a\u010dX" }],
    ["a line break in a name", { "a\r\nb": "1" }],
    ["a space in a name", { "a b": "1" }],
    ["a colon in a name", { "a:": "1" }],
    ["an empty name", { "": "1" }],
    ["one name in two spellings", { "X-A": "1", "x-a": "2" }],
  ])("headers with %s", async (_, headers) => {
    const server = await serve((__, response) => response.end());
    const { http, url } = handleFor(server);
    await refusal(http.request({ url, headers }), EffectDeniedError, "forbidden_header");
    expect(server.connections()).toBe(0);
  });

  test.each(["TRACE", "connect", "Track"])("the method %s", async (method) => {
    const server = await serve((_, response) => response.end());
    const { http, url } = handleFor(server, { methods: [method.toUpperCase()] });
    await refusal(http.request({ url, method }), EffectDeniedError, "forbidden_method");
    expect(server.connections()).toBe(0);
  });

  test.each(["", "GE T", "GET\r\nX: y", "GET /admin HTTP/1.1", "Ğ"])(
    "a method that is no token: %j",
    async (method) => {
      const server = await serve((_, response) => response.end());
      const { http, url } = handleFor(server);
      await refusal(http.request({ url, method }), EffectDeniedError, "forbidden_method");
      expect(server.connections()).toBe(0);
    },
  );

  test.each([
    ["a URL that is no text", { url: 7 }],
    ["a header that is no text", { url: "http://a.test", headers: { a: 1 } }],
    ["headers that are a list", { url: "http://a.test", headers: ["a", "b"] }],
    ["an option of another library", { url: "http://a.test", redirect: "follow" }],
    ["a body that is no content", { url: "http://a.test", method: "POST", body: { text: "x" } }],
    ["base64 with a second spelling", { url: "http://a.test", method: "POST", body: { $bytes: "aGk" } }],
    [
      "bytes with something beside them",
      { url: "http://a.test", method: "POST", body: { $bytes: "", x: 1 } },
    ],
    ["a body on GET", { url: "http://a.test", body: "x" }],
    ["a lone surrogate", { url: "http://a.test", method: "POST", body: "\ud800" }],
  ])("arguments that are malformed: %s", async (_, argument) => {
    const gate = createTestGate({ grants: ["net:http"] });
    await refusal(createHttpHandle(gate).request(argument as never), InvalidDataError, "invalid_data");
    expect(gate.effects).toEqual([]);
  });

  test("a URL that answers differently when it is read twice is never asked", async () => {
    const gate = createTestGate({ grants: ["net:http"] });
    let reads = 0;
    const argument = {
      get url() {
        reads += 1;
        return reads === 1 ? "https://good.test/" : "https://evil.test/";
      },
    };
    await refusal(createHttpHandle(gate).request(argument), InvalidDataError, "invalid_data");
    expect(reads).toBe(0);
  });

  test("a method, path, port or host outside the grant reaches nothing", async () => {
    const server = await serve((_, response) => response.end());
    const { url } = handleFor(server);
    const gate = createTestGate({ grants: [`net:http:${url}/v1/**`], allowPrivate: ["127.0.0.0/8"] });
    const http = createHttpHandle(gate);
    for (const request of [
      { url: `${url}/v1/x`, method: "POST" },
      { url: `${url}/v2` },
      { url: `${url}/v10` },
      { url: "http://127.0.0.1/v1/x" },
      { url: `https://127.0.0.1:${server.port}/v1/x` },
      { url: `http://localhost:${server.port}/v1/x` },
    ]) {
      await refusal(http.request(request), EffectDeniedError, "outside_authority");
    }
    expect(server.connections()).toBe(0);
  });
});

describe("answers that are not HTTP, or lie", () => {
  test.each([
    ["garbage", "SSH-2.0-OpenSSH_9\r\n\r\n"],
    ["nothing at all", ""],
    ["fewer bytes than announced", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"],
    ["a chunk cut off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"],
    ["two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["a switch to another protocol", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
  ])("%s", async (_, answer) => {
    const server = await startTcp((socket) => socket.once("data", () => socket.end(answer)));
    servers.push(server);
    const { http, gate, url } = handleFor(server);
    await refusal(http.request({ url }), EffectFailedError, "bad_response");
    expect(gate.effects).toMatchObject([{ outcome: "failed", code: "bad_response" }]);
  });

  test("a port on which nobody listens", async () => {
    const server = await startTcp(() => undefined);
    await server.close();
    const { http, url } = handleFor(server);
    await refusal(http.request({ url }), EffectFailedError, "connect_failed");
  });
});
