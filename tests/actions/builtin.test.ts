import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Action, builtinActions, type ExecutionResult, type JsonObject } from "../../src/index.js";
import { fromWorkingFolder } from "../../src/actions/working-path.js";
import { openWorld, type World } from "../core/world.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const { fs, http, memory, process: processes } = builtinActions;

const execute = (
  action: Action,
  requiredCapability: string,
  actionParams: JsonObject,
): Promise<ExecutionResult> =>
  world.pipeline.executor.executeStep(world.context({ action, requiredCapability, actionParams }));

/** The capabilities that an action asked for with these parameters, as the log has them. */
async function requirements(action: Action, actionParams: JsonObject): Promise<unknown> {
  await execute(action, "job:run:a", actionParams);
  return world.committed().findLast(({ event }) => event === "step_execution_requested")?.["requirements"];
}

describe("fs", () => {
  test("write, read, list, delete: one file's life", async () => {
    await world.grant("agent", `fs:*:${world.folder}/**`);
    const path = join(world.folder, "a.txt");
    const at = (action: string) => `fs:${action}:${path}`;
    expect(await execute(fs.write, at("write"), { path, content: "héllo" })).toMatchObject({
      output: { bytes_written: 6 },
    });
    expect(await execute(fs.read, at("read"), { path })).toMatchObject({ output: { text: "héllo" } });
    const bytes = { $bytes: "/wA=" };
    expect(await execute(fs.write, at("write"), { path, content: bytes })).toMatchObject({
      output: { bytes_written: 2 },
    });
    expect(await execute(fs.read, at("read"), { path })).toMatchObject({ output: { bytes } });
    expect(await execute(fs.list, `fs:list:${world.folder}`, { path: "." })).toMatchObject({
      output: { entries: [{ name: "a.txt", type: "file" }], unreadable_names: 0 },
    });
    expect(await execute(fs.delete, at("delete"), { path })).toMatchObject({ output: { deleted: true } });
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    ["a.txt", "/a.txt"],
    ["./a.txt", "/a.txt"],
    ["a/b/c", "/a/b/c"],
    [".hidden", "/.hidden"],
    ["a*", "/a\\*"],
  ])("%j lies in the working folder", async (path, expected) => {
    expect(await requirements(fs.read, { path })).toEqual([`fs:read:${world.folder}${expected}`]);
  });

  test.each(["../a", "a/../../b", "./../a", "..", "a//b", "a/./b", "/..", "/a/../b", "a\0b", "a\nb"])(
    "%j is refused as it stands, not tidied up",
    async (path) => {
      await world.grant("agent", "fs:*:/**");
      expect(await execute(fs.read, "fs:read:/**", { path })).toMatchObject({
        status: "denied",
        reason: "invalid_capability",
      });
    },
  );

  test("the working folder may be the root", () => {
    expect(fromWorkingFolder("/", "a")).toBe("/a");
    expect(fromWorkingFolder("/", ".")).toBe("/");
    expect(fromWorkingFolder("/w", "./")).toBe("/w");
    expect(fromWorkingFolder("/w", "/a")).toBe("/a");
    expect(fromWorkingFolder("/w", ".a")).toBe("/w/.a");
    expect(fromWorkingFolder("/w", "")).toBe("");
    expect(fromWorkingFolder("/w", 7)).toBe(7);
  });

  test.each<[Action, JsonObject]>([
    [fs.read, {}],
    [fs.read, { path: 7 }],
    [fs.read, { path: "" }],
    [fs.read, { path: ["/a"] }],
    [fs.read, { path: "/a", encoding: "hex" }],
    [fs.write, { path: "/a" }],
    [fs.write, { path: "/a", content: 7 }],
    [fs.write, { path: "/a", content: { $bytes: "not base64!" } }],
    [fs.write, { path: "/a", content: { $bytes: "AA==", more: 1 } }],
    [memory.get, {}],
    [memory.set, { key: "a" }],
    [memory.get, { key: "x".repeat(1_025) }],
    [http.request, {}],
    [http.request, { url: "https://a/", method: "GET /" }],
    [http.request, { url: "https://a/", headers: { a: 1 } }],
    [processes.run, {}],
    [processes.run, { program: "git", args: "log" }],
    [processes.run, { program: "git", args: [1] }],
    [processes.run, { program: "git", shell: true }],
    [processes.run, { program: "git", env: {} }],
  ])("%j: parameters that do not fit are denied with a record", async (action, params) => {
    expect(await execute(action, "job:run:a", params)).toMatchObject({
      status: "denied",
      reason: "invalid_context",
    });
  });
});

describe("memory", () => {
  test("keeps values for later steps, durably", async () => {
    await world.grant("agent", "memory:*:notes/**");
    const value = { list: [1, null, "x"] };
    expect(await execute(memory.get, "memory:read:notes/a", { key: "notes/a" })).toMatchObject({
      output: { value: null },
    });
    expect(await execute(memory.set, "memory:write:notes/a", { key: "notes/a", value })).toMatchObject({
      output: { stored: true },
    });
    expect(await execute(memory.get, "memory:read:notes/a", { key: "notes/a" })).toMatchObject({
      output: { value },
    });
    expect(await execute(memory.set, "memory:write:other", { key: "other", value })).toMatchObject({
      status: "denied",
    });
  });
});

describe("process", () => {
  const confined = { constraints: { params: { type: "object", properties: { args: { const: ["hi"] } } } } };

  test("needs the program and the folder it runs in", async () => {
    await world.grant("agent", "os:process:echo", confined);
    const params = { program: "echo", args: ["hi"] };
    expect(await execute(processes.run, "os:process:echo", params)).toMatchObject({
      status: "denied",
      reason: "no_capability",
    });
    await world.grant("agent", `fs:list:${world.folder}/**`);
    expect(await execute(processes.run, "os:process:echo", params)).toMatchObject({
      output: { exit_code: 0, stdout: "hi\n", stderr: "" },
    });
    expect(await execute(processes.run, "os:process:echo", { ...params, cwd: "/" })).toMatchObject({
      status: "denied",
    });
    mkdirSync(join(world.folder, "sub"));
    expect(await execute(processes.run, "os:process:echo", { ...params, cwd: "sub" })).toMatchObject({
      status: "completed",
    });
    expect(await execute(processes.run, "os:process:echo", { ...params, args: ["ho"] })).toMatchObject({
      reason: "constraint_violated",
    });
  });

  test("what is left out is filled in before constraints look", async () => {
    await world.grant("agent", `fs:list:${world.folder}`);
    await world.grant("agent", "os:process:echo", {
      constraints: {
        params: {
          type: "object",
          required: ["args", "cwd"],
          properties: { args: { const: [] }, cwd: { const: world.folder } },
        },
      },
    });
    expect(await execute(processes.run, "os:process:echo", { program: "echo" })).toMatchObject({
      output: { stdout: "\n" },
    });
    expect(await requirements(processes.run, { program: "echo" })).toEqual([
      "os:process:echo",
      `fs:list:${world.folder}`,
    ]);
    expect(await requirements(processes.run, { program: "/bin/*", cwd: "a*" })).toEqual([
      "os:process:/bin/\\*",
      `fs:list:${world.folder}/a\\*`,
    ]);
  });

  test("a script that loses its authority is killed", async () => {
    writeFileSync(join(world.folder, "loop.sh"), "while :; do sleep 1; done\n");
    await world.grant("agent", `fs:list:${world.folder}`);
    const { bindingId } = await world.grant("agent", "os:process:sh", { constraints: { unconfined: true } });
    const running = execute(processes.run, "os:process:sh", {
      program: "sh",
      args: ["-c", "echo $$ > pid; exec sh loop.sh"],
    });
    const pidFile = join(world.folder, "pid");
    while (!existsSync(pidFile) || readFileSync(pidFile, "utf8").trim() === "")
      await new Promise(setImmediate);
    const pid = Number(readFileSync(pidFile, "utf8"));
    await world.pipeline.bindingManager.unbind(bindingId);
    expect(await running).toMatchObject({ status: "failed", error: { code: "revoked_while_running" } });
    expect(() => process.kill(pid, 0)).toThrow(expect.objectContaining({ code: "ESRCH" }));
  });
});

describe("http", () => {
  let server: Server;
  let origin: string;
  const seen: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === "/away") response.writeHead(302, { location: `${origin}/secret` }).end();
      else response.writeHead(200, { "content-type": "text/plain" }).end(`you asked for ${request.url}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test("asks for the method and the URL, GET when none is said", async () => {
    const grant = `net:http:GET ${origin}/v1/**`;
    await world.grant("agent", grant, { constraints: { allow_private: ["127.0.0.0/8"] } });
    const url = `${origin}/v1/a?q=1`;
    expect(await execute(http.request, grant, { url })).toMatchObject({
      output: { status: 200, text: "you asked for /v1/a?q=1" },
    });
    expect(await execute(http.request, grant, { url, method: "post" })).toMatchObject({
      status: "denied",
      reason: "capability_mismatch",
    });
    expect(await requirements(http.request, { url, method: "post" })).toEqual([
      `net:http:POST ${origin}/v1/a`,
    ]);
    expect(seen).toEqual(["GET /v1/a?q=1"]);
  });

  test("a private address needs the chain's word, a redirect the step's own ceiling", async () => {
    const { bindingId } = await world.grant("agent", `net:http:GET ${origin}/**`);
    const away = { url: `${origin}/away` };
    expect(await execute(http.request, `net:http:GET ${origin}/away`, away)).toMatchObject({
      status: "failed",
      error: { code: "private_address" },
    });
    await world.pipeline.bindingManager.unbind(bindingId);
    await world.grant("agent", `net:http:GET ${origin}/**`, {
      constraints: { allow_private: ["127.0.0.1/32"] },
    });
    seen.length = 0;
    expect(await execute(http.request, `net:http:GET ${origin}/away`, away)).toMatchObject({
      status: "failed",
      error: { code: "outside_authority" },
    });
    expect(seen).toEqual(["GET /away"]);
    expect(await execute(http.request, `net:http:GET ${origin}/**`, away)).toMatchObject({
      output: { text: "you asked for /secret" },
    });
  });

  test.each([
    "file:///etc/passwd",
    "http://user@127.0.0.1/",
    "//127.0.0.1/",
    "http://127.0.0.1\\@evil/",
    "https://*/",
  ])("%j is no URL that can be asked for", async (url) => {
    await world.grant("agent", "net:http");
    expect(await execute(http.request, "net:http", { url })).toMatchObject({
      status: "denied",
      reason: "invalid_capability",
    });
  });
});
