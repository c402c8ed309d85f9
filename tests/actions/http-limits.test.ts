import { gzipSync, brotliCompressSync, deflateSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { createHttpHandle, type HttpOptions } from "../../src/actions/handles/http.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, startTcp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate } from "./test-gate.js";

const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
function kept<T extends RunningServer>(server: T): T {
  servers.push(server);
  return server;
}

function handleFor(
  server: RunningServer,
  options: HttpOptions = {},
  signal?: AbortSignal,
  bytesMax?: number,
) {
  const url = `http://127.0.0.1:${server.port}`;
  const gate = createTestGate({
    grants: [`net:http:${url}/**`, `net:http:POST ${url}/**`],
    allowPrivate: ["127.0.0.0/8"],
    ...(signal === undefined ? {} : { signal }),
    ...(bytesMax === undefined ? {} : { bytesMax }),
  });
  return { http: createHttpHandle(gate, options), url, gate };
}

describe("sizes", () => {
  test("a body of exactly the limit is taken, one byte more is not", async () => {
    const server = kept(
      await startHttp((request, response) => response.end("x".repeat(Number(request.url?.slice(1))))),
    );
    const { http, url } = handleFor(server, { bodyBytesMax: 1000 });
    expect(await http.request({ url: `${url}/1000` })).toMatchObject({ text: "x".repeat(1000) });
    await refusal(http.request({ url: `${url}/1001` }), EffectFailedError, "too_large");
  });

  test("an endless body without a length ends at the limit, and so does its connection", async () => {
    const server = kept(
      await startHttp((_, response) => {
        const more = (): void => {
          while (response.writable && response.write(Buffer.alloc(65_536)));
          if (response.writable) response.once("drain", more);
        };
        more();
      }),
    );
    const { http, url } = handleFor(server, { bodyBytesMax: 1_000_000 });
    await refusal(http.request({ url }), EffectFailedError, "too_large");
    await server.idle();
  });

  test("the grant's own limit counts when it is lower", async () => {
    const server = kept(await startHttp((_, response) => response.end("x".repeat(101))));
    const { http, url } = handleFor(server, {}, undefined, 100);
    await refusal(http.request({ url }), EffectFailedError, "too_large");
  });

  test("a body to be sent is bounded before anything is connected with it", async () => {
    const server = kept(await startHttp((_, response) => response.end()));
    const { http, url } = handleFor(server, { bodyBytesMax: 100 });
    const request = { url, method: "POST", body: "é".repeat(51) };
    await refusal(http.request(request), EffectFailedError, "too_large");
    expect(server.connections()).toBe(0);
  });

  test("endless headers", async () => {
    const server = kept(
      await startTcp((socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const more = (): void => {
          while (socket.writable && socket.write(`x-fill: ${"y".repeat(1000)}\r\n`));
          if (socket.writable) socket.once("drain", more);
        };
        more();
      }),
    );
    const { http, url } = handleFor(server);
    await refusal(http.request({ url }), EffectFailedError, "too_large");
    await server.idle();
  });

  test.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
    ["gzip, gzip", (data: Buffer) => gzipSync(gzipSync(data))],
  ])("a %s bomb that nobody asked for is not unpacked", async (encoding, pack) => {
    const bomb = pack(Buffer.alloc(50_000_000));
    const server = kept(
      await startHttp((_, response) => response.writeHead(200, { "content-encoding": encoding }).end(bomb)),
    );
    const { http, url } = handleFor(server);
    await refusal(http.request({ url }), EffectFailedError, "unsupported_encoding");
    expect(server.requests[0]?.headers["accept-encoding"]).toBe("identity");
  });
});

describe("time and cancellation", () => {
  test("a server that drips headers cannot put the deadline off", async () => {
    const server = kept(
      await startTcp((socket) => {
        socket.resume().write("HTTP/1.1 200 OK\r\nx-drip: ");
        const timer = setInterval(() => socket.write("x"), 20);
        socket.on("close", () => clearInterval(timer));
      }),
    );
    const { http, url } = handleFor(server, { totalTimeoutMs: 200 });
    await refusal(http.request({ url }), EffectFailedError, "timeout");
    await server.idle();
  });

  test("nor one that drips its body", async () => {
    const server = kept(
      await startHttp((_, response) => {
        const timer = setInterval(() => response.write("x"), 20);
        response.on("close", () => clearInterval(timer));
      }),
    );
    const { http, url } = handleFor(server, { totalTimeoutMs: 200 });
    await refusal(http.request({ url }), EffectFailedError, "timeout");
    await server.idle();
  });

  test("nor a chain of slow redirects", async () => {
    const server = kept(
      await startHttp((_, response) =>
        setTimeout(() => response.writeHead(302, { location: "/" }).end(), 100),
      ),
    );
    const { http, url } = handleFor(server, { totalTimeoutMs: 250, redirectsMax: 50 });
    await refusal(http.request({ url }), EffectFailedError, "timeout");
  });

  test("nor a resolver that never answers", async () => {
    const gate = createTestGate({ grants: ["net:http"] });
    const http = createHttpHandle(gate, { totalTimeoutMs: 100, lookup: () => new Promise(() => undefined) });
    await refusal(http.request({ url: "https://a.test/" }), EffectFailedError, "timeout");
  });

  test("a step that is cancelled in the middle of a body ends its connection", async () => {
    const step = new AbortController();
    const server = kept(await startHttp((_, response) => response.write("half", () => step.abort())));
    const { http, url, gate } = handleFor(server, {}, step.signal);
    await refusal(http.request({ url }), EffectFailedError, "cancelled");
    await server.idle();
    expect(gate.effects).toMatchObject([{ outcome: "failed", code: "cancelled" }]);
  });

  test("a step that is cancelled while the connection is still being made ends that too", async () => {
    const step = new AbortController();
    const server = kept(await startTcp((socket) => socket.once("data", () => step.abort())));
    const gate = createTestGate({
      grants: [`net:http:https://127.0.0.1:${server.port}/**`],
      allowPrivate: ["127.0.0.0/8"],
      signal: step.signal,
    });
    // The server takes the first bytes of TLS and never answers them.
    const http = createHttpHandle(gate, { connectTimeoutMs: 3_600_000, totalTimeoutMs: 3_600_000 });
    const attempt = http.request({ url: `https://127.0.0.1:${server.port}/` });
    await refusal(attempt, EffectFailedError, "cancelled");
    await server.idle();
  });

  test("a server that accepts and never finishes the handshake runs into the connection's deadline", async () => {
    const server = kept(await startTcp((socket) => socket.resume()));
    const gate = createTestGate({
      grants: [`net:http:https://127.0.0.1:${server.port}/**`],
      allowPrivate: ["127.0.0.0/8"],
    });
    const http = createHttpHandle(gate, { connectTimeoutMs: 100 });
    await refusal(http.request({ url: `https://127.0.0.1:${server.port}/` }), EffectFailedError, "timeout");
    await server.idle();
  });

  test("authority that ends between two hops is noticed before the second is connected", async () => {
    const step = new AbortController();
    const server = kept(
      await startHttp((request, response) => {
        if (request.url === "/first") step.abort();
        response.writeHead(302, { location: "/second" }).end();
      }),
    );
    const { http, url } = handleFor(server, {}, step.signal);
    await refusal(http.request({ url: `${url}/first` }), EffectFailedError, "cancelled");
    expect(server.requests.map(({ path }) => path)).toEqual(["/first"]);
  });

  test("a step that is over starts nothing", async () => {
    const step = new AbortController();
    step.abort();
    const server = kept(await startHttp((_, response) => response.end()));
    const { http, url } = handleFor(server, {}, step.signal);
    await refusal(http.request({ url }), EffectDeniedError, "revoked_while_running");
    expect(server.connections()).toBe(0);
  });
});
