/** What hides in the arguments of a call; named after the cases of the catalogue of attacks. */
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ledgerOf } from "../../src/core/audit.js";
import type { JsonObject } from "../../src/model/json.js";
import { type Bench, type Grant, openBench, servers } from "./bench.js";
import { type Client, isToolError, type Message, textOf } from "./client.js";

let bench: Bench;
afterEach(() => bench.close());

async function open(config: JsonObject, grants: readonly Grant[]): Promise<Client> {
  bench = await openBench(config, grants);
  const client = bench.connect();
  await client.initialize();
  return client;
}

/** The hostile server's `open` tool with a mapping, so that its path argument counts. */
async function openMapped(grants: readonly string[]): Promise<Client> {
  const tools = { open: { requires: ["fs:read:{path}"] } };
  return open({ mcpServers: { h: servers.hostile() }, synapse: { servers: { h: { tools } } } }, [
    "mcp:call:h/**",
    ...grants,
  ]);
}

function reasonOf(answer: Message): string | undefined {
  expect(isToolError(answer)).toBe(true);
  return /\((\w+)\)/.exec(textOf(answer))?.[1];
}

async function upstreamCalls(): Promise<number> {
  return (await bench.events("effect_attempted")).length;
}

describe("paths", () => {
  async function openFiles(): Promise<{ client: Client; root: string; other: string }> {
    const client = await open({ mcpServers: { files: servers.filesystem("{FOLDER}") } }, [
      "mcp:call:files/**",
    ]);
    const root = join(bench.folder, "mine");
    const other = join(bench.folder, "other");
    mkdirSync(root);
    mkdirSync(other);
    writeFileSync(join(root, "a"), "own");
    writeFileSync(join(other, "b"), "foreign");
    symlinkSync(join(other, "b"), join(root, "link"));
    symlinkSync(other, join(root, "folder"));
    symlinkSync(join(root, "nowhere"), join(root, "dangling"));
    await bench.grant(`fs:read:${root}/**`);
    await bench.grant(`fs:write:${root}/**`);
    await bench.grant(`fs:list:${root}`);
    return { client, root, other };
  }

  test("mcpatk-18 mcpatk-62 mcpatk-63 mcpatk-64 what a path really leads to has to be granted", async () => {
    const { client, root, other } = await openFiles();
    const read = (path: unknown) =>
      client.request("tools/call", { name: "read_text_file", arguments: { path } as JsonObject });
    expect(textOf(await read(`${root}/a`))).toBe("own");
    expect(textOf(await read(`${root}/x/../a`))).toBe("own");
    for (const path of [
      `${root}/link`,
      `${root}/folder/b`,
      `${root}/../other/b`,
      `${other}/b`,
      `${root}-evil/a`,
    ])
      expect(reasonOf(await read(path)), path).toBe("no_capability");
    for (const path of [
      "a",
      "~/a",
      "file:///etc/passwd",
      "\\\\host\\share",
      "C:\\x",
      "",
      `${root}/a\0`,
      `${root}/dangling`,
    ])
      expect(reasonOf(await read(path)), path).toBe("invalid_context");
    // This server takes `..` out as text, so that it stays where it was allowed, and finds nothing there.
    expect(textOf(await read(`${root}/folder/../other/b`))).toContain("ENOENT");
    // Encoded dots are a name like any other: no server of files decodes them.
    expect(reasonOf(await read(`${root}/%2e%2e/other/b`))).toBeUndefined();
    const denied = (await bench.events("step_execution_denied")).length;
    expect(denied).toBe(13);
  });

  test("mcpatk-18 both ends of a move, every one of many, and all that is below", async () => {
    const { client, root, other } = await openFiles();
    const call = (name: string, args: JsonObject) => client.call(name, args);
    expect(reasonOf(await call("move_file", { source: `${root}/a`, destination: `${root}/c` }))).toBe(
      "no_capability",
    );
    await bench.grant(`fs:delete:${root}/**`);
    expect(isToolError(await call("move_file", { source: `${root}/a`, destination: `${root}/c` }))).toBe(
      false,
    );
    expect(reasonOf(await call("move_file", { source: `${root}/c`, destination: `${root}/folder/c` }))).toBe(
      "no_capability",
    );
    expect(reasonOf(await call("read_multiple_files", { paths: [`${root}/c`, `${other}/b`] }))).toBe(
      "no_capability",
    );
    expect(isToolError(await call("list_directory", { path: root }))).toBe(false);
    expect(reasonOf(await call("directory_tree", { path: root }))).toBe("no_capability");
    expect(reasonOf(await call("write_file", { path: `${root}/folder/new`, content: "x" }))).toBe(
      "no_capability",
    );
  });

  test("the gateway's own files are reached by no argument, whatever is granted (H2)", async () => {
    const client = await open({ mcpServers: { files: servers.filesystem("{FOLDER}") } }, [
      "mcp:call:files/**",
      ...["read", "write", "list", "delete"].map((action) => `fs:${action}:/**`),
    ]);
    const store = join(bench.folder, "log");
    symlinkSync(join(store, "synapse.db"), join(bench.folder, "innocent"));
    linkSync(join(store, "synapse.db"), join(bench.folder, "twin"));
    mkdirSync(join(bench.folder, ".synapse"));
    const own = [
      `${store}/synapse.db`,
      `${store}/synapse.db-wal`,
      `${bench.folder}/innocent`,
      `${bench.folder}/twin`,
    ];
    for (const path of [...own, `${bench.folder}/.synapse/x`]) {
      expect(reasonOf(await client.call("read_text_file", { path })), path).toBe("invalid_context");
      expect(reasonOf(await client.call("write_file", { path, content: "" })), path).toBe("invalid_context");
    }
    expect(reasonOf(await client.call("move_file", { source: store, destination: `${store}-2` }))).toBe(
      "invalid_context",
    );
    expect(isToolError(await client.call("list_directory", { path: bench.folder }))).toBe(false);
  });

  test("a server that is not known to take `..` out as text gets none", async () => {
    const client = await openMapped(["fs:read:/srv/**"]);
    expect(reasonOf(await client.call("open", { path: "/srv/a/../b" }))).toBe("invalid_context");
    expect(textOf(await client.call("open", { path: "/srv/b" }))).toBe("called open");
  });

  test("mcpatk-04 a default that the server fills in counts as if it had been written", async () => {
    const client = await openMapped(["fs:read:/srv/**"]);
    expect(reasonOf(await client.call("open", {}))).toBe("no_capability");
    const [denied] = await bench.events("step_execution_requested");
    expect(denied?.["requirements"]).toEqual(["mcp:call:h/open", "fs:read:/etc/passwd"]);
  });

  test("mcpatk-21 an argument of another type is refused before anything is decided", async () => {
    const client = await openMapped(["fs:read:/srv/**"]);
    for (const path of [["/srv/a", "/etc/passwd"], { toString: "/srv/a" }, 1, null, true])
      expect(["invalid_context", "no_capability"]).toContain(reasonOf(await client.call("open", { path })));
    expect(await upstreamCalls()).toBe(0);
  });
});

describe("addresses", () => {
  test.each([
    ["https://user@api.example.com@evil.example/", "mcpatk-23 user information"],
    ["https://2130706433/", "mcpatk-23 a number for an address"],
    ["https://api.example.com.evil.example/", "mcpatk-23 another host with the same beginning"],
    ["https://аpi.example.com/", "mcpatk-23 a look-alike"],
    ["http://169.254.169.254/latest", "mcpatk-24 the address of metadata"],
    ["file:///etc/passwd", "mcpatk-23 another scheme"],
    ["https://api.example.com/%2e%2e/admin", "mcpatk-23 encoded dots"],
  ])("%s: %s", async (url) => {
    const config = {
      mcpServers: { h: servers.hostile() },
      synapse: { servers: { h: { tools: { echo: { requires: ["net:http:GET {text}"] } } } } },
    };
    const client = await open(config, ["mcp:call:h/**", "net:http:GET api.example.com/v1/**"]);
    expect(textOf(await client.call("echo", { text: "https://api.example.com/v1/a?q=1" }))).toContain(
      "https://",
    );
    expect(["no_capability", "invalid_context"]).toContain(
      reasonOf(await client.call("echo", { text: url })),
    );
    expect(await upstreamCalls()).toBe(1);
  });
});

describe("data", () => {
  test("mcpatk-19 of two members of one name the server gets the one that was decided about", async () => {
    const client = await openMapped(["fs:read:/srv/**"]);
    const answer = client.answerTo(99);
    client.raw(
      '{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"open","arguments":{"path":"/srv/a","path":"/etc/passwd"}}}\n',
    );
    expect(reasonOf(await answer)).toBe("no_capability");
    const other = client.answerTo(98);
    client.raw(
      '{"jsonrpc":"2.0","id":98,"method":"tools/call","params":{"name":"delete_all","name":"echo","arguments":{"text":"b","text":"a"}}}\n',
    );
    expect((await other)["result"]).toMatchObject({ received: { text: "a" } });
  });

  test("mcpatk-20 `__proto__` is refused, and no prototype changes", async () => {
    const client = await open({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
    const answer = client.answerTo(99);
    client.raw(
      '{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{"admin":true}}}}\n',
    );
    expect(reasonOf(await answer)).toBe("invalid_context");
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
    expect(await upstreamCalls()).toBe(0);
  });

  test("mcpatk-22 mcpatk-25 constraints see the arguments, and what was sent is in the record", async () => {
    const params = {
      properties: { arguments: { properties: { text: { pattern: "^[a-z.]+$" } }, required: ["text"] } },
    };
    const client = await open({ mcpServers: { h: servers.hostile() } }, [
      {
        capability: "mcp:call:h/echo",
        constraints: { params, when: "params.tool == 'echo' && size(params.arguments.text) < 20" },
      },
    ]);
    expect(textOf(await client.call("echo", { text: "example.com" }))).toBe("example.com");
    expect(reasonOf(await client.call("echo", { text: "example.com; cat /etc/passwd" }))).toBe(
      "constraint_violated",
    );
    expect(reasonOf(await client.call("echo", { text: "a".repeat(21) }))).toBe("constraint_violated");
    const [first] = await bench.events("step_execution_requested");
    const blob = ledgerOf(bench.pipeline.audit).driver.blob({
      seq: first?.seq ?? 0,
      ref: first?.["params_commitment"] as string,
    });
    expect(JSON.parse(Buffer.from(blob?.bytes ?? []).toString("utf8"))).toEqual({
      server: "h",
      tool: "echo",
      arguments: { text: "example.com" },
    });
  });

  test("mcpatk-26 a forged progress token hears of nothing but its own call", async () => {
    const client = await open({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
    const other = bench.connect();
    await other.initialize();
    const forged = other.call(
      "echo",
      { text: "x" },
      { _meta: { progressToken: 1, "io.modelcontextprotocol/x": 1 } },
    );
    void client.call("hold", {}, { _meta: { progressToken: "mine" } });
    const progress = await client.next(({ method }) => method === "notifications/progress");
    expect(progress["params"]).toMatchObject({ progressToken: "mine", progress: 1 });
    await forged;
    expect(other.received.some(({ method }) => method === "notifications/progress")).toBe(false);
  });
});
