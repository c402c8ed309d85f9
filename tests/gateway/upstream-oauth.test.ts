/**
 * Servers at a URL that want a token of their own: where it comes from, what it is for, and who never sees it or the
 * secret that it was had for. Real sockets, and an authorization server of the tests' own.
 */
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseGatewayConfig } from "../../src/gateway/config/config-file.js";
import { DocumentError } from "../../src/model/errors.js";
import type { JsonObject } from "../../src/model/json.js";
import { type AuthorizationServer, openAuthorizationServer } from "./authorization-server.js";
import { type Bench, openBench } from "./bench.js";
import { type Client, isToolError, textOf } from "./client.js";
import { openHttpBench } from "./http/http-bench.js";
import { json, openScriptedServer, saying, type ScriptedServer } from "./scripted-server.js";

const secret = "s3cret: with a colon & a space";

let provider: AuthorizationServer;
let server: ScriptedServer;
let bench: Bench | undefined;
/** Tokens that the server takes. */
let accepted: (token: string) => boolean;
/** What the server says of itself; undefined: nothing. */
let metadata: object | undefined;
let challenge: string;

beforeEach(async () => {
  provider = await openAuthorizationServer();
  accepted = (token) => token.startsWith("upstream-token-");
  server = await openScriptedServer({
    door: ({ url = "", headers: { authorization = "" } }, response) => {
      if (url.startsWith("/.well-known/oauth-protected-resource")) return answerMetadata(response);
      if (accepted(authorization.replace("Bearer ", ""))) return false;
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return true;
    },
    call: (message, response) => json(response, message, saying("done")),
  });
  metadata = { resource: server.url, authorization_servers: [provider.issuer], scopes_supported: ["mcp"] };
  const said = server.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
  challenge = `Bearer error="invalid_token", scope="tools:call", resource_metadata="${said}"`;
});

afterEach(async () => {
  await bench?.close();
  bench = undefined;
  server.close();
  provider.close();
});

function answerMetadata(response: ServerResponse): boolean {
  if (metadata === undefined) response.writeHead(404).end();
  else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(metadata));
  return true;
}

function config(oauth: JsonObject = {}): JsonObject {
  const client = { issuer: provider.issuer, client_id: "gateway", client_secret: "${WEB_SECRET}" };
  return {
    mcpServers: { web: { url: server.url } },
    synapse: { servers: { web: { oauth: { ...client, ...oauth } } } },
  };
}

async function open(written: JsonObject = config()): Promise<Bench> {
  return (bench = await openBench(written, ["mcp:call:web/**"], { ...process.env, WEB_SECRET: secret }));
}

async function connected(own: Bench): Promise<Client> {
  const client = own.connect();
  await client.initialize();
  return client;
}

const tokensSent = (): readonly string[] => [
  ...new Set(server.seen.flatMap(({ headers: { authorization } }) => authorization ?? [])),
];

test("without a client of its authorization server: an error, and the operator reads what it asks for", async () => {
  const own = await open({ mcpServers: { web: { url: server.url } } });
  const client = own.connect();
  const answer = await client.initialize();
  expect(answer["error"]).toMatchObject({ code: -32000 });
  const line = own.logged.find((each) => each.includes("401")) ?? "";
  expect(line).toContain("the scope `tools:call`");
  expect(line).toContain("/.well-known/oauth-protected-resource/mcp");
  expect(line).toContain("synapse.servers.<name>.oauth");
  // What a server names is not asked by itself.
  expect(provider.paths).toEqual([]);
});

describe("with one", () => {
  test("a token is had when the server asks for it, for that server, and serves all sessions", async () => {
    const own = await open(config({ scope: "tools:call" }));
    for (const client of [await connected(own), await connected(own)])
      expect(textOf(await client.call("t"))).toBe("done");
    expect(tokensSent()).toEqual(["Bearer upstream-token-1"]);
    expect(provider.tokenRequests).toHaveLength(1);
    const [{ form, authorization }] = provider.tokenRequests as [(typeof provider.tokenRequests)[0]];
    expect(Object.fromEntries(form)).toEqual({
      grant_type: "client_credentials",
      resource: server.url,
      scope: "tools:call",
    });
    const basic = Buffer.from((authorization ?? "").replace("Basic ", ""), "base64").toString("utf8");
    expect(basic).toBe(`gateway:${encodeURIComponent(secret)}`);
  });

  test("mcpatk-27 nobody is sent anywhere: no consent is asked for, and no client registered", async () => {
    await connected(await open());
    expect(provider.paths).toEqual(["/.well-known/oauth-authorization-server", "/token"]);
  });

  test("the secret goes into the form where the authorization server wants it there", async () => {
    provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"];
    const client = await connected(await open());
    expect(textOf(await client.call("t"))).toBe("done");
    const [request] = provider.tokenRequests;
    expect(request?.authorization).toBeUndefined();
    expect(request?.form.get("client_secret")).toBe(secret);
  });

  test("a server that says nothing of itself is what its URL is", async () => {
    metadata = undefined;
    challenge = "Bearer";
    const client = await connected(await open());
    expect(textOf(await client.call("t"))).toBe("done");
    expect(provider.tokenRequests[0]?.form.get("resource")).toBe(server.url);
  });

  test("a token that the server does not take any more is replaced once, and each call is made once", async () => {
    const client = await connected(await open());
    expect(textOf(await client.call("t"))).toBe("done");
    accepted = (token) => token === "upstream-token-2";
    const before = server.methods.length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.call("t")));
    expect(answers.map(textOf)).toEqual(Array.from({ length: 8 }, () => "done"));
    expect(server.methods.slice(before)).toEqual(Array.from({ length: 8 }, () => "tools/call"));
    expect(provider.tokenRequests).toHaveLength(2);
  });

  test("a token that is about to end is not sent", async () => {
    let n = 0;
    provider.grant = () => ({
      status: 200,
      body: { access_token: `upstream-token-${++n}`, token_type: "bearer", expires_in: n === 1 ? 5 : 3_600 },
    });
    const client = await connected(await open());
    await client.call("t");
    await client.call("t");
    expect(n).toBe(2);
    // The first request had been sent with the first one when it was new.
    expect(tokensSent()).toEqual(["Bearer upstream-token-1", "Bearer upstream-token-2"]);
  });

  test("a token that never serves: an error for the call, and no loop", async () => {
    accepted = () => false;
    const client = (await open()).connect();
    expect((await client.initialize())["error"]).toMatchObject({ code: -32000 });
    expect(server.seen.length).toBeLessThan(8);
    expect(server.methods).toEqual([]);
  });

  test("an authorization server that gives the same token again: the call is not sent again for it", async () => {
    provider.grant = () => ({
      status: 200,
      body: { access_token: "upstream-token-1", token_type: "Bearer", expires_in: 3_600 },
    });
    const client = await connected(await open());
    await client.call("t");
    accepted = () => false;
    const before = server.seen.length;
    expect(isToolError(await client.call("t"))).toBe(true);
    expect(server.seen.slice(before).filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  test("neither the secret nor a token is in the log, in what the operator reads, or with the agent", async () => {
    const own = await open();
    const client = await connected(own);
    await client.call("t");
    accepted = () => false;
    provider.grant = ({ form }) => ({
      status: 400,
      body: { error: "invalid_client", error_description: `no such ${secret} ${form.toString()}` },
    });
    const failed = await client.call("t");
    expect(isToolError(failed)).toBe(true);
    expect(own.logged.join("\n")).toContain("(`invalid_client`)");
    for (const text of [
      JSON.stringify(await own.events()),
      own.logged.join("\n"),
      JSON.stringify(client.received),
    ])
      for (const each of [secret, encodeURIComponent(secret), "upstream-token", "no such"])
        expect(text).not.toContain(each);
  });

  test("an authorization server that refuses is not asked again by every call", async () => {
    const client = await connected(await open());
    accepted = () => false;
    provider.grant = () => ({ status: 503, body: {} });
    const before = provider.tokenRequests.length;
    for (let n = 0; n < 10; n++) expect(isToolError(await client.call("t"))).toBe(true);
    expect(provider.tokenRequests.length - before).toBe(1);
  });
});

describe("who is told the secret is the operator's word alone", () => {
  async function refused(): Promise<string> {
    const own = await open();
    expect((await own.connect().initialize())["error"]).toMatchObject({ code: -32000 });
    expect(provider.tokenRequests).toEqual([]);
    return own.logged.join("\n");
  }

  test("a server that names another authorization server gets no token", async () => {
    const other = await openAuthorizationServer();
    metadata = { resource: server.url, authorization_servers: [other.issuer] };
    expect(await refused()).toContain("does not take tokens of");
    expect(other.paths).toEqual([]);
    other.close();
  });

  test("a server that calls itself another one gets no token for that", async () => {
    metadata = { resource: "https://bank.example/mcp", authorization_servers: [provider.issuer] };
    expect(await refused()).toContain("is of another server");
  });

  test("metadata at another origin than the server's is not asked for", async () => {
    const other = await openAuthorizationServer();
    challenge = `Bearer resource_metadata="${other.issuer}/metadata"`;
    expect(textOf(await (await connected(await open())).call("t"))).toBe("done");
    expect(other.paths).toEqual([]);
    other.close();
  });

  test("an authorization server that speaks as another issuer is not believed", async () => {
    provider.metadata["issuer"] = "https://other.example";
    expect(await refused()).toContain("is of another issuer");
  });

  test.each([
    "javascript:fetch('/')",
    "file:///bin/sh",
    "http://token.example/token",
    "https://user:password@token.example/token",
    "$(touch /tmp/x)",
    "",
  ])("mcpatk-33 a token endpoint of `%s` is none, and nothing is opened", async (endpoint) => {
    provider.metadata["token_endpoint"] = endpoint;
    expect(await refused()).toContain("its token endpoint is not a URL over https");
  });

  test.each([
    ["of another type", { access_token: "upstream-token-1", token_type: "DPoP" }],
    ["that would end the header", { access_token: "upstream-token-1\r\nx: y", token_type: "Bearer" }],
    ["that is none", { token_type: "Bearer" }],
  ])("a token %s is not sent", async (_, body) => {
    provider.grant = () => ({ status: 200, body });
    const own = await open();
    expect((await own.connect().initialize())["error"]).toMatchObject({ code: -32000 });
    expect(tokensSent()).toEqual([]);
  });
});

test("mcpatk-28 a client's token is for the gateway: one for the server is refused, and the server sees neither", async () => {
  const own = await openHttpBench(config({ client_secret: secret }), ["mcp:call:web/**"]);
  const foreign = await own.client(await own.token("assistant", { audience: server.url }));
  expect((await foreign.post({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} })).status).toBe(401);
  const client = await own.client();
  await client.initialize();
  expect(textOf(await client.call("t"))).toBe("done");
  expect(tokensSent()).toEqual(["Bearer upstream-token-1"]);
  const headers = JSON.stringify(server.seen.map((each) => each.headers));
  for (const token of [client.token, foreign.token]) expect(headers).not.toContain(token.slice(-20));
  await own.close();
});

describe("a configuration that would tell a secret to anybody is an error", () => {
  const issuer = "https://login.example";
  const oauth = { issuer, client_id: "a", client_secret: "b" };
  test.each<[string, JsonObject, JsonObject]>([
    ["for a command", { command: "x" }, oauth],
    [
      "an issuer over http elsewhere",
      { url: "https://a.example/mcp" },
      { ...oauth, issuer: "http://b.example" },
    ],
    ["a server over http elsewhere", { url: "http://a.example/mcp" }, oauth],
    ["beside a header", { url: "https://a.example/mcp", headers: { authorization: "Bearer x" } }, oauth],
    ["a secret that is not set", { url: "https://a.example/mcp" }, { ...oauth, client_secret: "${UNSET}" }],
    ["an unknown member", { url: "https://a.example/mcp" }, { ...oauth, redirect_uri: "x" }],
  ])("%s", (_, entry, own) => {
    const text = JSON.stringify({
      mcpServers: { web: entry },
      synapse: { servers: { web: { oauth: own } } },
    });
    expect(() => parseGatewayConfig(text, "/mcp.json", {})).toThrow(DocumentError);
  });
});
