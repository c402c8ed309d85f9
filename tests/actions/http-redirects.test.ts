import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHttpHandle } from "../../src/actions/handles/http.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, startTcp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate } from "./test-gate.js";

const methods = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const servers: RunningServer[] = [];
let origin: RunningServer;
let other: RunningServer;

beforeEach(async () => {
  // `/302?to=…` redirects there; anything else answers.
  origin = await startHttp((request, response) => {
    const url = new URL(request.url ?? "", "http://a.test");
    const to = url.searchParams.get("to");
    if (to === null) response.end("landed");
    else response.writeHead(Number(url.pathname.slice(1)), { location: to }).end("moved");
  });
  other = await startHttp((_, response) => response.end("other"), { address: "127.0.0.2" });
  servers.push(origin, other);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const at = (server: RunningServer, address = "127.0.0.1"): string => `http://${address}:${server.port}`;
const redirect = (status: number, to: string): string =>
  `${at(origin)}/${status}?to=${encodeURIComponent(to)}`;

function gateFor(...origins: string[]) {
  const grants = origins.flatMap((url) => methods.map((method) => `net:http:${method} ${url}/**`));
  return createTestGate({ grants, allowPrivate: ["127.0.0.0/8"] });
}

describe("redirects are followed by us, hop by hop", () => {
  test("each hop is reported as reached before it is connected", async () => {
    const gate = gateFor(at(origin), at(other, "127.0.0.2"));
    const http = createHttpHandle(gate);
    const response = await http.request({ url: redirect(302, `${at(other, "127.0.0.2")}/x?y#z`) });
    expect(response).toMatchObject({ status: 200, text: "other" });
    expect(other.requests[0]?.path).toBe("/x?y");
    expect(gate.effects[0]?.reached).toEqual([
      `net:http:GET ${at(origin)}/302`,
      `net:http:GET ${at(other, "127.0.0.2")}/x`,
    ]);
  });

  test.each([
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [303, "POST", "GET", ""],
    [303, "PUT", "GET", ""],
    [303, "HEAD", "HEAD", ""],
    [301, "PUT", "PUT", "body"],
    [302, "DELETE", "DELETE", "body"],
    [307, "POST", "POST", "body"],
    [308, "POST", "POST", "body"],
    [308, "GET", "GET", ""],
  ] as const)("%i after %s is followed with %s", async (status, method, then, body) => {
    const http = createHttpHandle(gateFor(at(origin)));
    const sends = method !== "GET" && method !== "HEAD";
    await http.request({
      url: redirect(status, "/landed"),
      method,
      ...(sends ? { body: "body", headers: { "content-type": "text/x", "x-kept": "1" } } : {}),
    });
    expect(origin.requests[1]).toMatchObject({ method: then, path: "/landed", body });
    if (!sends) return;
    expect(origin.requests[1]?.headers["content-type"]).toBe(body === "" ? undefined : "text/x");
    expect(origin.requests[1]?.headers["x-kept"]).toBe("1");
  });

  test("a redirect that turns into a method outside the grant is refused", async () => {
    const gate = createTestGate({
      grants: [`net:http:POST ${at(origin)}/**`],
      allowPrivate: ["127.0.0.0/8"],
    });
    const attempt = createHttpHandle(gate).request({ url: redirect(303, "/x"), method: "POST", body: "" });
    await refusal(attempt, EffectDeniedError, "outside_authority");
    expect(origin.requests).toHaveLength(1);
  });

  test("300, 304 and a redirect without an address are answers", async () => {
    const server = await startHttp((request, response) =>
      response.writeHead(Number(request.url?.slice(1))).end(),
    );
    servers.push(server);
    const http = createHttpHandle(gateFor(at(server)));
    for (const status of [300, 302, 304, 308]) {
      expect(await http.request({ url: `${at(server)}/${status}` })).toMatchObject({ status, text: "" });
    }
  });

  test("five are followed, the sixth is not", async () => {
    const server = await startHttp((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end("done");
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    servers.push(server);
    const http = createHttpHandle(gateFor(at(server)));
    expect(await http.request({ url: `${at(server)}/5` })).toMatchObject({ text: "done" });
    await refusal(http.request({ url: `${at(server)}/6` }), EffectFailedError, "too_many_redirects");
    expect(server.requests).toHaveLength(12);
  });
});

describe("redirects out of the authority", () => {
  test("to another host", async () => {
    const http = createHttpHandle(gateFor(at(origin)));
    const attempt = http.request({ url: redirect(302, `${at(other, "127.0.0.2")}/`) });
    await refusal(attempt, EffectDeniedError, "outside_authority");
    expect(other.connections()).toBe(0);
  });

  test.each([
    ["a path beside the granted one", "/private"],
    ["a path above it, by dots", "/302/../private"],
    ["a path above it, by encoded dots", "/302/%2e%2e/private"],
    ["another port", "http://127.0.0.1:1/302"],
    ["another scheme", "//127.0.0.2/302"],
  ])("to %s", async (_, location) => {
    const gate = createTestGate({ grants: [`net:http:${at(origin)}/302/**`], allowPrivate: ["127.0.0.0/8"] });
    const attempt = createHttpHandle(gate).request({ url: redirect(302, location) });
    await refusal(attempt, EffectDeniedError, "outside_authority");
    expect(origin.requests).toHaveLength(1);
  });

  test.each([
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://0.0.0.0:PORT/",
    "http://localhost:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "//127.0.0.1:PORT/",
    "\\\\127.0.0.1:PORT\\",
  ])("to a private address, with every host granted: %s", async (target) => {
    const inner = await startHttp((_, response) => response.end("inner"));
    servers.push(inner);
    const redirecting = await startHttp(
      (_, response) =>
        response.writeHead(302, { location: target.replace("PORT", String(inner.port)) }).end(),
      { address: "127.0.0.2" },
    );
    servers.push(redirecting);
    const gate = createTestGate({ grants: ["net:http"], allowPrivate: ["127.0.0.2/32"] });
    const attempt = createHttpHandle(gate).request({ url: `${at(redirecting, "127.0.0.2")}/` });
    await refusal(attempt, EffectDeniedError, "private_address");
    expect(inner.connections()).toBe(0);
  });

  test.each([
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "data:text/plain,x",
    "javascript:1",
    "http://user:pw@127.0.0.1/",
    "http://",
    "http://a b/",
    "/a%2fb",
    "/a%00b",
    "//",
  ])("to what no capability can name: %s", async (location) => {
    const http = createHttpHandle(createTestGate({ grants: ["net:http"], allowPrivate: ["127.0.0.0/8"] }));
    await refusal(http.request({ url: redirect(302, location) }), EffectFailedError, "bad_response");
    expect(origin.requests).toHaveLength(1);
  });

  test("with two addresses at once", async () => {
    const server = await startTcp((socket) =>
      socket.once("data", () =>
        socket.end("HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
      ),
    );
    servers.push(server);
    const http = createHttpHandle(gateFor(at(server)));
    await refusal(http.request({ url: at(server) }), EffectFailedError, "bad_response");
  });
});

describe("what another origin gets to see", () => {
  test("no credential of any name, and never again after it was dropped", async () => {
    const back = `${at(origin)}/back`;
    const relay = await startHttp((_, response) => response.writeHead(307, { location: back }).end(), {
      address: "127.0.0.2",
    });
    servers.push(relay);
    const http = createHttpHandle(gateFor(at(origin), at(relay, "127.0.0.2")));
    const headers = {
      Authorization: "Bearer abc",
      Cookie: "s=1",
      "X-Api-Key": "abc",
      "PRIVATE-TOKEN": "abc",
      Accept: "text/plain",
      "Accept-Language": "fr",
      "User-Agent": "test",
    };
    await http.request({ url: redirect(307, `${at(relay, "127.0.0.2")}/`), headers });
    for (const request of [relay.requests[0], origin.requests[1]]) {
      expect(Object.keys(request?.headers ?? {}).sort()).toEqual([
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "host",
        "user-agent",
      ]);
    }
    expect(origin.requests[0]?.headers).toMatchObject({ authorization: "Bearer abc", "x-api-key": "abc" });
  });

  test("within one origin they are kept", async () => {
    const http = createHttpHandle(gateFor(at(origin)));
    await http.request({ url: redirect(307, "/x"), headers: { authorization: "Bearer abc" } });
    expect(origin.requests[1]?.headers.authorization).toBe("Bearer abc");
  });

  test("another port is another origin", async () => {
    const neighbour = await startHttp((_, response) => response.end());
    servers.push(neighbour);
    const http = createHttpHandle(gateFor(at(origin), at(neighbour)));
    await http.request({ url: redirect(307, `${at(neighbour)}/`), headers: { authorization: "Bearer abc" } });
    expect(neighbour.requests[0]?.headers.authorization).toBeUndefined();
  });
});
