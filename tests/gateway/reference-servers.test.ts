/**
 * The reference servers for git and fetch are Python packages, which are not to be had from a registry for Node: these
 * tests run hand-written servers that list the real ones' tools and prompts, with their schemas, and are recognised by
 * the real ones' names. What a call implies is all that is tested here, and that is told by names and arguments.
 */
import { mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { gatewayServer } from "../../src/gateway/config/server.js";
import type { JsonObject } from "../../src/model/json.js";
import { type Bench, openBench } from "./bench.js";
import { type Client, isToolError, textOf } from "./client.js";

const script = resolve(import.meta.dirname, "reference-server.mjs");

let bench: Bench;
afterEach(() => bench.close());

async function open(name: string, grants: readonly string[], more: readonly string[] = []): Promise<Client> {
  const entry = { command: process.execPath, args: [script, name, ...more] };
  bench = await openBench({ mcpServers: { h: entry } }, grants);
  const client = bench.connect();
  await client.initialize();
  return client;
}

/** What the last request required, beside the call itself. */
async function implied(): Promise<readonly unknown[]> {
  const [last] = (await bench.events("step_execution_requested")).slice(-1);
  return (last?.["requirements"] as readonly unknown[]).slice(1);
}

async function lastReason(): Promise<unknown> {
  const [last] = (await bench.events("step_execution_denied")).slice(-1);
  return last?.["reason"];
}

describe("git", () => {
  const repository = (): string => join(bench.folder, "repository");

  async function openGit(): Promise<Client> {
    const client = await open("mcp-server-git", ["mcp:call:h/**"]);
    mkdirSync(repository());
    return client;
  }

  const more: Readonly<Record<string, JsonObject>> = {
    git_diff: { target: "main" },
    git_commit: { message: "m" },
    git_commit_signed: { message: "m" },
    git_add: { files: ["a", "b/c"] },
    git_create_branch: { branch_name: "b" },
    git_checkout: { branch_name: "b" },
    git_show: { revision: "HEAD~1" },
    git_branch: { branch_type: "local", contains: "abc" },
    git_log: { start_timestamp: "2 weeks ago" },
  };
  const reading = [
    "git_status",
    "git_diff_unstaged",
    "git_diff_staged",
    "git_diff",
    "git_log",
    "git_show",
    "git_branch",
  ];
  const writing = [
    "git_add",
    "git_commit",
    "git_commit_signed",
    "git_reset",
    "git_create_branch",
    "git_checkout",
    "git_init",
  ];

  test("every tool that the server lists is known", async () => {
    const client = await openGit();
    await bench.grant("fs:read:/**");
    const { tools } = (await client.request("tools/list"))["result"] as { tools: { name: string }[] };
    // What writes is not listed without anything that may be written.
    expect(tools.map(({ name }) => name).toSorted()).toEqual(reading.toSorted());
    await bench.grant("fs:write:/**");
    const all = (await client.request("tools/list"))["result"] as { tools: { name: string }[] };
    expect(all.tools.map(({ name }) => name).toSorted()).toEqual([...reading, ...writing].toSorted());
  });

  test("what reads a repository takes reading all of it, and what changes it writing, too", async () => {
    const client = await openGit();
    await bench.grant(`fs:read:${repository()}/**`);
    for (const name of reading) {
      const args = { repo_path: repository(), ...more[name] };
      expect(textOf(await client.call(name, args))).toBe(JSON.stringify(args));
      expect(await implied()).toEqual([`fs:read:${repository()}/**`]);
    }
    for (const name of writing) {
      const args = { repo_path: repository(), ...more[name] };
      expect(isToolError(await client.call(name, args)), name).toBe(true);
      expect(await lastReason()).toBe("no_capability");
      expect(await implied()).toEqual([`fs:read:${repository()}/**`, `fs:write:${repository()}/**`]);
    }
    await bench.grant(`fs:write:${repository()}/**`);
    for (const name of writing)
      expect(isToolError(await client.call(name, { repo_path: repository(), ...more[name] })), name).toBe(
        false,
      );
  });

  test("another repository, one through a link, and one that is said in another way", async () => {
    const client = await openGit();
    await bench.grant(`fs:read:${repository()}/**`);
    const other = join(bench.folder, "other");
    mkdirSync(other);
    symlinkSync(other, join(repository(), "link"));
    for (const [path, reason] of [
      [other, "no_capability"],
      [join(repository(), "link"), "no_capability"],
      [bench.folder, "no_capability"],
      [`${repository()}/../other`, "invalid_context"],
      ["repository", "invalid_context"],
      ["", "invalid_context"],
    ] as const) {
      expect(isToolError(await client.call("git_status", { repo_path: path })), path).toBe(true);
      expect(await lastReason(), path).toBe(reason);
    }
    expect(isToolError(await client.call("git_status", {}))).toBe(true);
    expect(await bench.events("effect_attempted")).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ["git_diff", { target: "--output=/etc/passwd" }],
    ["git_diff", { target: " -O/etc/passwd" }],
    ["git_checkout", { branch_name: "--pathspec-from-file=x" }],
    ["git_show", { revision: "--output=x" }],
    ["git_log", { start_timestamp: "--output=x" }],
    ["git_add", { files: ["a", "--chmod=+x"] }],
  ])("%s with an option for an argument (%j) is refused, whatever is granted", async (name, args) => {
    const client = await openGit();
    await bench.grant("fs:*:/**");
    const answer = await client.call(name, { repo_path: repository(), ...args });
    expect([isToolError(answer), await lastReason()]).toEqual([true, "invalid_context"]);
    expect(textOf(answer)).toContain("must not begin with `-`");
    expect(await bench.events("effect_attempted")).toEqual([]);
  });

  test("a message that begins like an option is a message", async () => {
    const client = await openGit();
    await bench.grant("fs:*:/**");
    const args = { repo_path: repository(), message: "- one thing" };
    expect(isToolError(await client.call("git_commit", args))).toBe(false);
  });
});

describe("fetch", () => {
  const granted = "https://api.example.com/v1/a?q=1";

  test("the tool takes getting its address", async () => {
    const client = await open("mcp-server-fetch", ["mcp:call:h/**", "net:http:GET api.example.com/v1/**"]);
    expect(isToolError(await client.call("fetch", { url: granted, raw: true }))).toBe(false);
    expect(await implied()).toEqual(["net:http:GET api.example.com/v1/a"]);
    for (const url of [
      "https://api.example.com/v2",
      "https://evil.example/v1/a",
      "http://api.example.com/v1/a",
    ]) {
      expect(isToolError(await client.call("fetch", { url }))).toBe(true);
      expect(await lastReason()).toBe("no_capability");
    }
  });

  test("so does its prompt, whose answer is the page", async () => {
    const client = await open("mcp-server-fetch", ["mcp:prompt:h/**"]);
    const get = (url: string) => client.request("prompts/get", { name: "fetch", arguments: { url } });
    const list = async () => (await client.request("prompts/list"))["result"] as { prompts: unknown[] };
    expect((await list()).prompts).toEqual([]);
    expect((await get(granted))["error"]).toMatchObject({ code: -32001 });
    expect(await lastReason()).toBe("no_capability");
    await bench.grant("net:http:GET api.example.com/v1/**");
    expect((await list()).prompts).toHaveLength(1);
    expect((await get(granted))["result"]).toMatchObject({ messages: [{ role: "user" }] });
    expect(await implied()).toEqual(["net:http:GET api.example.com/v1/a"]);
    expect((await get("http://169.254.169.254/latest"))["error"]).toMatchObject({ code: -32001 });
    expect((await get("file:///etc/passwd"))["error"]).toMatchObject({ code: -32001 });
    expect((await client.request("prompts/get", { name: "fetch" }))["error"]).toMatchObject({ code: -32001 });
    expect(await bench.events("effect_attempted")).toHaveLength(1);
  });
});

test.each([
  ["uvx", ["mcp-server-git", "--repository", "/r"]],
  ["python3", ["-m", "mcp_server_git"]],
  ["/usr/bin/mcp-server-git", []],
])("the name in a command line is enough: %s %j", (command, args) => {
  const transport = { kind: "stdio", command, args, cwd: "/", env: {} } as const;
  const { mapping } = gatewayServer("h", transport, undefined, new Map());
  expect([...mapping.templates.keys()]).toContain("git_commit");
  expect(mapping.commandArguments).toContain("target");
});
