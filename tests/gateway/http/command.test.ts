/** `synapse gateway --http` as a process: what an operator starts, and what agents with tokens find. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { servers } from "../bench.js";
import { textOf } from "../client.js";
import { OperatorFolder } from "../gateway-process.js";
import { HttpClient } from "./http-client.js";

const audience = "http://gateway.test/mcp";
const folder = new OperatorFolder({ mcpServers: { h: servers.hostile() } });
const run = (...args: string[]) => folder.run(...args);
const start = (...args: string[]) => folder.listen("--audience", audience, ...args);

beforeAll(() => folder.grant("assistant", "mcp:call:**"));

afterAll(() => folder.remove());

test("agents with tokens call, are recorded as themselves, and are told of the end", async () => {
  const { child, url, exit } = await start("--http", "127.0.0.1:0");
  const [own, other] = [await folder.token("assistant", audience), await folder.token("other", audience)];
  const [client, stranger] = [new HttpClient(url, own), new HttpClient(url, other)];
  await client.initialize();
  await stranger.initialize();
  expect(textOf(await client.call("echo", { text: "hello" }))).toBe("hello");
  expect(textOf(await stranger.call("echo", { text: "hello" }))).toContain("Denied");
  const nobody = new HttpClient(url, "none");
  expect((await nobody.post({ jsonrpc: "2.0", id: 1, method: "ping" })).status).toBe(401);
  // Suspended by another process while the session stands.
  await run("suspend", "--agent", "other", "--by", "operator");
  await expect.poll(async () => (await stranger.request("ping")).status).toBe(401);
  const held = client.call("hold", {}, { _meta: { progressToken: 1 } });
  await expect
    .poll(async () => (await run("audit", "list", "--json")).stdout.split("mcp:call:h/hold").length)
    .toBeGreaterThan(1);
  child.kill("SIGINT");
  expect((await held)["error"]).toMatchObject({ code: -32_000 });
  const { code, stderr } = await exit;
  expect(code).toBe(130);
  expect(stderr).toContain("(agent_suspended)");
  expect(stderr).not.toContain(own.split(".")[2]);
  const runs = (await run("runs", "--json")).stdout.trim().split("\n");
  expect(runs.map((line) => (JSON.parse(line) as { status: string }).status)).toEqual([
    "completed",
    "completed",
  ]);
  expect((await run("audit", "verify")).code).toBe(0);
});

test("an address that others reach is listened on when it is asked for, with a warning", async () => {
  const { child, url, exit } = await start("--http", "0.0.0.0:0", "--allow-host", "gateway.test");
  const { port } = new URL(url);
  const metadata = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
  expect(await (await fetch(metadata)).json()).toMatchObject({ resource: audience });
  child.kill("SIGTERM");
  const { code, stderr } = await exit;
  expect(code).toBe(130);
  expect(stderr).toContain("no TLS");
});

test.each<[string, string[], string]>([
  ["an agent beside tokens", ["--http", "127.0.0.1:1", "--agent", "a"], "usage"],
  ["no port", ["--http", "127.0.0.1"], "usage"],
  ["a port that is none", ["--http", "127.0.0.1:99999"], "usage"],
  ["all addresses, and no audience", ["--http", "0.0.0.0:8808"], "usage"],
  ["any port, and no audience", ["--http", "127.0.0.1:0"], "usage"],
  ["a provider without keys", ["--http", "127.0.0.1:1", "--issuer", "https://a.test"], "usage"],
  ["keys without a provider", ["--http", "127.0.0.1:1", "--jwks", "https://a.test/jwks"], "usage"],
  ["a claim of no provider", ["--http", "127.0.0.1:1", "--agent-claim", "x"], "usage"],
  [
    "keys over http",
    ["--http", "127.0.0.1:1", "--issuer", "https://a.test", "--jwks", "http://a.test/j"],
    "invalid_issuer",
  ],
  ["an origin with a path", ["--http", "127.0.0.1:1", "--allow-origin", "https://a.test/"], "usage"],
  ["a host with a port", ["--http", "127.0.0.1:1", "--allow-host", "a.test:1"], "usage"],
  ["tokens of a database that does not stay", ["--http", "127.0.0.1:1", "--db", ":memory:"], "usage"],
])("%s: an error, and nothing listens", async (_, args, code) => {
  const { stderr, stdout, code: exit } = await run("gateway", "--config", "mcp.json", ...args);
  expect(stderr).toContain(`error[${code}]`);
  expect([stdout, exit]).toEqual(["", 2]);
});

test("an address that is in use", async () => {
  const { child, url, exit } = await start("--http", "127.0.0.1:0");
  const second = await run("gateway", "--config", "mcp.json", "--http", new URL(url).host);
  expect(second.stderr).toContain("error[cannot_listen]");
  expect(second.code).toBe(1);
  child.kill("SIGTERM");
  await exit;
});
