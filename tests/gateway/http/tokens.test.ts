/** Who asks, request by request: a token that is not one, is not for here, has ended, or began another session. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { servers } from "../bench.js";
import { type HttpBench, openHttpBench } from "./http-bench.js";
import { type HttpClient, reasonOf } from "./http-client.js";

const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
let bench: HttpBench;
let client: HttpClient;

beforeAll(async () => {
  bench = await openHttpBench({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
  client = await bench.client();
  await client.initialize();
});

afterAll(() => bench.close());

describe("a request is refused with 401 and where to get a token, and says no more", () => {
  test.each<[string, () => Promise<string | undefined>, string]>([
    ["no token", async () => undefined, "token_missing"],
    ["no bearer token", async () => "Basic YTpi", "token_missing"],
    ["text", async () => "Bearer x", "token_malformed"],
    [
      "for another audience",
      async () => `Bearer ${await bench.token("assistant", { audience: "http://other.test" })}`,
      "token_wrong_audience",
    ],
    ["of another key", async () => `Bearer ${forged(await bench.token())}`, "token_bad_signature"],
  ])("%s", async (_, authorization, code) => {
    const value = await authorization();
    for (const method of ["POST", "GET", "DELETE"]) {
      const headers = client.headers(value === undefined ? {} : { authorization: value });
      if (value === undefined) delete headers["authorization"];
      const response = await fetch(bench.url, {
        method,
        headers,
        ...(method === "POST" ? { body: JSON.stringify(ping) } : {}),
      });
      expect(response.status).toBe(401);
      const challenge = response.headers.get("www-authenticate") ?? "";
      expect(challenge).toContain(
        'resource_metadata="http://gateway.test/.well-known/oauth-protected-resource"',
      );
      expect(challenge.includes("invalid_token")).toBe(code !== "token_missing");
      const text = await response.text();
      expect(text).toContain(code === "token_missing" ? "token_missing" : "invalid_token");
      // Which of its checks a token failed is for the operator alone.
      if (code !== "token_missing") expect(text).not.toContain(code);
    }
    expect(bench.logged.join("\n")).toContain(`(${code})`);
  });

  test("a token in the URL is not read", async () => {
    const response = await fetch(`${bench.url}?access_token=${client.token}`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "*/*" },
      body: JSON.stringify(ping),
    });
    expect(response.status).toBe(401);
  });
});

describe("a session belongs to the token that began it", () => {
  test.each<[string, () => Promise<string>]>([
    ["another agent's", () => bench.token("intruder")],
    ["another one of the same agent", () => bench.token("assistant")],
  ])("mcpatk-31 %s does not get into it, nor end it, nor learn that it exists", async (_, other) => {
    const thief = await bench.client(await other());
    thief.session = client.session;
    const before = (await bench.events()).length;
    for (const answer of [
      await thief.post({ jsonrpc: "2.0", id: 5, method: "tools/call", params: { name: "pid" } }),
      await thief.send("GET"),
      await thief.send("DELETE"),
    ])
      expect([answer.status, reasonOf(answer)]).toEqual([404, "session_unknown"]);
    expect((await bench.events()).length).toBe(before);
    expect((await client.post(ping)).status).toBe(200);
  });

  test("mcpatk-31 its id is not one that can be guessed", async () => {
    const another = await bench.client();
    await another.initialize();
    for (const session of [client.session, another.session]) expect(session).toMatch(/^[\w-]{43}$/);
    expect(another.session).not.toBe(client.session);
  });

  test("a token acts as its agent and no other", async () => {
    const other = await bench.client(await bench.token("nobody"));
    await other.initialize();
    const answer = await other.call("pid");
    expect(JSON.stringify(answer)).toContain("Denied");
    const denied = (await bench.events("step_execution_denied")).at(-1);
    expect(denied?.["agent_id"]).toBe("nobody");
  });
});

test("a suspended agent's requests are refused, and what it had begun is over", async () => {
  const agentId = "passing";
  const contract = await bench.pipeline.capabilityManager.issue({
    capability: "mcp:call:**",
    issuedBy: "test",
  });
  const facts = { agentId, capability: "mcp:call:**", contractId: contract.id, createdBy: "test" };
  await bench.pipeline.bindingManager.bind({ ...facts, constraints: {} });
  const passing = await bench.client(await bench.token(agentId));
  await passing.initialize();
  const held = passing.call("hold");
  await expect.poll(() => bench.logged.some((line) => line.includes("holding"))).toBe(true);
  await bench.pipeline.capabilityManager.suspend(agentId, { by: "test" });
  expect(JSON.stringify(await held)).toContain("isError");
  const answer = await passing.post(ping);
  expect([answer.status, reasonOf(answer)]).toEqual([401, "invalid_token"]);
  expect(bench.logged.join("\n")).toContain("(agent_suspended)");
});

test("a session ends with its token: its calls, its streams, its run", async () => {
  const short = await bench.client(await bench.token("assistant", { forMs: 600_000 }));
  await short.initialize();
  const { ended } = await short.listen();
  const held = short.call("hold");
  await expect.poll(() => bench.logged.filter((line) => line.includes("holding")).length).toBeGreaterThan(1);
  const runs = (await bench.events("run_completed")).length;
  bench.later(700_000);
  expect((await held)["error"]).toMatchObject({ message: "the token of this session has expired" });
  await ended;
  expect((await bench.events("run_completed")).length).toBe(runs + 1);
  const answer = await short.post(ping);
  expect([answer.status, reasonOf(answer)]).toEqual([401, "invalid_token"]);
  expect(bench.logged.join("\n")).toContain("(token_expired)");
});

test("the metadata says what tokens have to be for and who issues them, to anybody (RFC 9728)", async () => {
  const { origin } = new URL(bench.url);
  for (const suffix of ["", "/mcp"]) {
    const response = await fetch(`${origin}/.well-known/oauth-protected-resource${suffix}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      resource: "http://gateway.test",
      authorization_servers: ["https://issuer.test"],
      bearer_methods_supported: ["header"],
      resource_name: "Synapse gateway",
    });
  }
  const posted = await fetch(`${origin}/.well-known/oauth-protected-resource`, { method: "POST" });
  expect(posted.status).toBe(405);
});

test("no token reaches the log, the operator's lines, or a server", async () => {
  const texts = [JSON.stringify(await bench.events()), bench.logged.join("\n")];
  const [, , signature = "none"] = client.token.split(".");
  for (const text of texts) {
    expect(text).not.toContain(signature);
    expect(text).not.toContain(client.session);
  }
});

/** The same claims under a signature of nobody. */
function forged(token: string): string {
  const [header, claims] = token.split(".");
  return `${header}.${claims}.${Buffer.alloc(64, 7).toString("base64url")}`;
}
