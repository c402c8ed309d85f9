/** The HTTP front with an OAuth provider that lives: tokens that it signs, and what else passes for them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { oauthIssuer } from "../../../src/gateway/tokens/trusted-issuer.js";
import { type AuthorizationServer, openAuthorizationServer } from "../authorization-server.js";
import { servers } from "../bench.js";
import { textOf } from "../client.js";
import { type ListeningGateway, OperatorFolder } from "../gateway-process.js";
import { audience as benchAudience, openHttpBench } from "./http-bench.js";
import { HttpClient } from "./http-client.js";

const audience = "http://gateway.test/mcp";
const seconds = (more = 0): number => Math.floor(Date.now() / 1_000) + more;
const begin = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } };

let provider: AuthorizationServer;

function claims(more: Record<string, unknown> = {}): Record<string, unknown> {
  const { issuer } = provider;
  return {
    iss: issuer,
    sub: "0",
    agent: "assistant",
    aud: audience,
    iat: seconds(),
    exp: seconds(600),
    ...more,
  };
}

describe("the command", () => {
  let folder: OperatorFolder;
  let gateway: ListeningGateway;

  beforeAll(async () => {
    provider = await openAuthorizationServer();
    folder = new OperatorFolder({ mcpServers: { h: servers.hostile() } });
    await folder.grant("assistant", "mcp:call:h/echo");
    const words = [
      "--issuer",
      provider.issuer,
      "--jwks",
      `${provider.issuer}/jwks`,
      "--agent-claim",
      "agent",
    ];
    gateway = await folder.listen("--http", "127.0.0.1:0", "--audience", audience, ...words);
  });

  afterAll(async () => {
    gateway.child.kill("SIGINT");
    await gateway.exit;
    folder.remove();
    provider.close();
  });

  test("a token of the provider acts as the agent that it names", async () => {
    const client = new HttpClient(gateway.url, await provider.sign(claims()));
    await client.initialize();
    expect(textOf(await client.call("echo", { text: "hello" }))).toBe("hello");
    expect(textOf(await client.call("pid"))).toContain("Denied");
    const { stdout } = await folder.run("audit", "list", "--json");
    const agents = [...stdout.matchAll(/"agent_id":"([^"]+)"/g)].map(([, agent]) => agent);
    expect(new Set(agents)).toEqual(new Set(["assistant"]));
  });

  test("whoever has none is told where to get one", async () => {
    const url = gateway.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    expect(await (await fetch(url)).json()).toMatchObject({
      resource: audience,
      authorization_servers: [provider.issuer],
    });
  });

  test.each<[string, Record<string, unknown>]>([
    ["that has ended", { iat: seconds(-7_200), exp: seconds(-3_600) }],
    ["for another server", { aud: "http://other.test/mcp" }],
    ["for a part of the audience", { aud: "http://gateway.test" }],
    ["of another issuer, with this one's key", { iss: "http://other.test" }],
    ["that never ends", { exp: undefined }],
    ["of nobody", { agent: undefined }],
    ["of somebody whose name is none", { agent: "../assistant" }],
  ])("a token %s is refused", async (_, more) => {
    const client = new HttpClient(gateway.url, await provider.sign(claims(more)));
    const { status, headers } = await client.post(begin);
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toContain('error="invalid_token"');
  });

  test("a token of another provider's key is refused, whatever it says", async () => {
    const other = await openAuthorizationServer();
    const client = new HttpClient(gateway.url, await other.sign(claims()));
    expect((await client.post(begin)).status).toBe(401);
    other.close();
  });
});

describe("keys that are replaced", () => {
  beforeEach(async () => {
    provider = await openAuthorizationServer();
    vi.useFakeTimers({ toFake: ["Date"] });
  });

  afterEach(() => {
    vi.useRealTimers();
    provider.close();
  });

  test("new ones are fetched when a token names them, at most every 30 seconds; old ones are no good then", async () => {
    const { issuer } = provider;
    const trusted = oauthIssuer({ issuer, jwks: `${issuer}/jwks`, agentClaim: "agent" });
    const bench = await openHttpBench({ mcpServers: { h: servers.hostile() } }, [], {}, {}, [trusted]);
    const own = (): Promise<string> => provider.sign(claims({ aud: benchAudience }));
    const status = async (token: string): Promise<number> =>
      (await new HttpClient(bench.url, token).post(begin)).status;
    const old = await own();
    expect(await status(old)).toBe(200);
    await provider.rotate();
    const renewed = await own();
    expect(await status(renewed)).toBe(401);
    expect(provider.paths).toEqual(["/jwks"]);
    vi.setSystemTime(Date.now() + 31_000);
    expect(await status(renewed)).toBe(200);
    expect(provider.paths).toEqual(["/jwks", "/jwks"]);
    expect(await status(old)).toBe(401);
    await bench.close();
  });

  test("a provider that is gone: its tokens are good for as long as its keys are kept", async () => {
    const { issuer } = provider;
    const trusted = oauthIssuer({ issuer, jwks: `${issuer}/jwks`, agentClaim: "agent" });
    const bench = await openHttpBench({ mcpServers: { h: servers.hostile() } }, [], {}, {}, [trusted]);
    const token = await provider.sign(claims({ aud: benchAudience, exp: seconds(7_200) }));
    const status = async (): Promise<number> => (await new HttpClient(bench.url, token).post(begin)).status;
    expect(await status()).toBe(200);
    provider.close();
    expect(await status()).toBe(200);
    vi.setSystemTime(Date.now() + 11 * 60_000);
    expect(await status()).toBe(401);
    expect(bench.logged.join("\n")).toContain("(token_keys_unavailable)");
    await bench.close();
  });
});
