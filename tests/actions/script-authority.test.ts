import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  builtinActions,
  type Constraints,
  decide,
  defineAction,
  type ExecutionResult,
  type JsonObject,
} from "../../src/index.js";
import { openWorld, type World } from "../core/world.js";
import { type RunningServer, startHttp } from "./fixtures/http-server.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
  await world.grant("agent", "code:execute:demo");
});
afterEach(() => world.close());

const run = (code: string, uses: readonly string[], input: string | null = null): Promise<ExecutionResult> =>
  world.pipeline.executor.executeStep(
    world.context({
      action: builtinActions.script.run,
      requiredCapability: "code:execute:demo",
      actionParams: { name: "demo", code, uses, input },
    }),
  );

async function outputOf(code: string, uses: readonly string[], input?: string): Promise<unknown> {
  const result = await run(code, uses, input ?? null);
  return result.status === "completed" ? result.output : result;
}

/** Effects of the log in order: what was tried, and how it ended. */
const effects = () =>
  world
    .committed()
    .filter(({ event }) => event.startsWith("effect_"))
    .map((event) => [
      event.event.slice(7),
      ...["effect", "reason"].map((key) => event[key] as string | undefined),
    ])
    .map((words) => words.filter((word) => word !== undefined).join(" "));

/** A script's line that gives the code of the error that using a handle throws. */
const codeOf = (use: string) => `await ${use}.then(() => "performed", (error) => error.code)`;

describe("a script may do what `uses` names and its agent is bound to, and nothing else (A5)", () => {
  test("every handle answers as the built-in action of its name does", async () => {
    for (const capability of [`fs:*:${world.folder}/**`, "memory:*:**"])
      await world.grant("agent", capability);
    await world.grant("agent", "os:process:echo", { constraints: { unconfined: true } });
    const uses = ["read", "write", "list", "delete"].map((action) => `fs:${action}:${world.folder}/**`);
    const code = `
      const file = input + "/sub/a.txt";
      return [
        await handles.fs.write(file, "héllo"),
        await handles.fs.read(file),
        await handles.fs.list(input + "/sub"),
        await handles.fs.delete(file),
        await handles.memory.set("k", { v: [1] }),
        await handles.memory.get("k"),
        await handles.process.run({ program: "echo", args: ["-n", "hi"] }),
      ]`;
    expect(
      await outputOf(code, [...uses, "memory:read:**", "memory:write:**", "os:process:echo"], world.folder),
    ).toEqual([
      { bytes_written: 6 },
      { text: "héllo" },
      { entries: [{ name: "a.txt", type: "file" }], unreadable_names: 0 },
      { deleted: true },
      { stored: true },
      { value: { v: [1] } },
      { exit_code: 0, stdout: "hi", stderr: "" },
    ]);
  });

  test("relative paths and `./` in `uses` begin in the working folder, or in `cwd`", async () => {
    const folder = join(world.folder, "odd * name");
    mkdirSync(folder);
    writeFileSync(join(world.folder, "a.txt"), "outer");
    writeFileSync(join(folder, "a.txt"), "inner");
    await world.grant("agent", `fs:*:${world.folder}/**`);
    await world.grant("agent", "os:process:pwd", { constraints: { unconfined: true } });
    const step = (params: JsonObject) =>
      world.pipeline.executor.executeStep(
        world.context({
          action: builtinActions.script.run,
          requiredCapability: "code:execute:demo",
          actionParams: { name: "demo", ...params },
        }),
      );
    const code = `return [(await handles.fs.read("a.txt")).text, (await handles.fs.list(".")).entries.length,
      (await handles.process.run({ program: "pwd" })).stdout, ${codeOf(`handles.fs.read("../a.txt")`)}]`;
    const uses = ["fs:read:./a.txt", "fs:list:.", "os:process:pwd"];
    expect(await step({ code, uses })).toMatchObject({
      output: ["outer", 2, `${world.folder}\n`, "invalid_capability"],
    });
    expect(await step({ code, uses, cwd: "odd * name" })).toMatchObject({
      output: ["inner", 1, `${folder}\n`, "invalid_capability"],
    });
    const asked = world.committed().findLast(({ event }) => event === "step_execution_requested");
    expect(asked?.["requirements"]).toContain(`fs:read:${world.folder}/odd \\* name/a.txt`);
  });

  test("without a binding for one of `uses` it does not start", async () => {
    await world.grant("agent", "memory:read:**");
    expect(await run("return 1", ["memory:read:a", "memory:write:a"])).toMatchObject({
      status: "denied",
      reason: "no_capability",
    });
    expect(effects()).toEqual([]);
  });

  test("what is bound but not in `uses` is refused, and so is what is outside it", async () => {
    await world.grant("agent", "memory:*:**");
    await world.grant("agent", `fs:*:${world.folder}/**`);
    const code = `return [
      ${codeOf(`handles.memory.get("a/b")`)}, ${codeOf(`handles.memory.get("b")`)},
      ${codeOf(`handles.memory.set("a/b", 1)`)}, ${codeOf(`handles.fs.read(input + "/x")`)},
      ${codeOf(`handles.http.request({ url: "https://example.com/" })`)},
      ${codeOf(`handles.process.run({ program: "echo" })`)}]`;
    expect(await outputOf(code, ["memory:read:a/**"], world.folder)).toEqual([
      "performed",
      ...Array.from({ length: 5 }, () => "outside_authority"),
    ]);
    expect(effects().filter((each) => each.startsWith("denied"))).toHaveLength(5);
  });

  test.each([
    "handles.fs.read()",
    "handles.fs.read(7)",
    "handles.fs.read({})",
    "handles.fs.read('../etc/passwd')",
    "handles.fs.read('a/../b')",
    "handles.fs.write('/x', () => 1)",
    "handles.fs.write('/x', { $bytes: 1 })",
    "handles.fs.list(['/'])",
    "handles.http.request()",
    "handles.http.request('https://example.com')",
    "handles.process.run({ program: 'echo', args: 'x' })",
    "handles.memory.get(null)",
    "handles.memory.set('a', NaN)",
    "handles.memory.set('a', JSON.parse('{\"__proto__\": 1}'))",
  ])("arguments that are none never reach the gate: %s", async (use) => {
    const shown = await outputOf(`return await ${use}.then(() => "performed", (error) => error.name)`, []);
    expect(["TypeError", "InvalidDataError", "CapabilitySyntaxError"]).toContain(shown);
    expect(effects()).toEqual([]);
  });

  test("what a handle throws is an error of the script's own, in words of ours", async () => {
    await world.grant("agent", `fs:*:${world.folder}/**`);
    const code = `try { await handles.fs.read(input + "/missing") } catch (e) {
      return [e instanceof Error, e.constructor === Error, e.name, e.code, Object.keys(e).sort(), /node|\\.ts|\\.js:/.test(e.stack)] }`;
    expect(await outputOf(code, [`fs:read:${world.folder}/**`], world.folder)).toEqual([
      true,
      true,
      "EffectFailedError",
      "not_found",
      ["code", "name", "stack"],
      false,
    ]);
  });

  test("answers come in the order in which the effects ended", async () => {
    await world.grant("agent", "memory:*:**");
    const code = `const seen = []; await Promise.all(["a", "b", "c", "d"].map(async (key) => {
      await handles.memory[key < "c" ? "set" : "get"](key, 1); seen.push(key) })); return seen`;
    const seen = await outputOf(code, ["memory:read:**", "memory:write:**"]);
    const recorded = world
      .committed()
      .filter(({ event }) => event === "effect_performed")
      .map(({ capability }) => (capability as string).slice(-1));
    expect(seen).toEqual(recorded);
  });

  test("effects that a script did not wait for are waited for (H1)", async () => {
    await world.grant("agent", "memory:*:**");
    expect(await outputOf(`handles.memory.set("a", 1); return 1`, ["memory:write:a"])).toBe(1);
    const events = world.committed().map(({ event }) => event);
    expect(events.indexOf("effect_performed")).toBeGreaterThan(0);
    expect(events.indexOf("effect_performed")).toBeLessThan(events.indexOf("step_execution_completed"));
  });
});

describe("`params` and `when` of what it uses are asked of each effect's arguments (K)", () => {
  const grant = (capability: string, constraints: Constraints) =>
    world.grant("agent", capability, { constraints });

  test("a schema decides use by use, before anything is touched", async () => {
    await grant(`fs:write:${world.folder}/**`, {
      params: {
        type: "object",
        properties: { content: { const: "allowed" } },
        required: ["path", "content"],
      },
    });
    const code = `return [
      ${codeOf(`handles.fs.write(input + "/a", "allowed")`)},
      ${codeOf(`handles.fs.write(input + "/b", "forbidden")`)}]`;
    expect(await outputOf(code, [`fs:write:${world.folder}/**`], world.folder)).toEqual([
      "performed",
      "constraint_violated",
    ]);
    expect(readFileSync(join(world.folder, "a"), "utf8")).toBe("allowed");
    expect(existsSync(join(world.folder, "b"))).toBe(false);
    expect(effects()).toEqual([
      "attempted fs.write",
      "performed fs.write",
      "denied fs.write constraint_violated",
    ]);
  });

  test("a condition sees the effect's arguments, and an error in it is a denial", async () => {
    await grant("memory:write:**", { when: `params.value < 10 && agent == "agent" && step == "step"` });
    const code = `return [${["1", "10", `"text"`].map((value) => codeOf(`handles.memory.set("a", ${value})`)).join()}]`;
    expect(await outputOf(code, ["memory:write:**"])).toEqual([
      "performed",
      "constraint_violated",
      "policy_error",
    ]);
  });

  test("a program's arguments are held to what the binding says (H6)", async () => {
    const args = { enum: [["-n", "safe"]] };
    await grant("os:process:echo", { params: { type: "object", properties: { args }, required: ["args"] } });
    await world.grant("agent", `fs:list:${world.folder}`);
    const code = `return [
      await handles.process.run({ program: "echo", args: ["-n", "safe"] }).then((r) => r.stdout),
      ${codeOf(`handles.process.run({ program: "echo", args: ["-n", "other"] })`)},
      ${codeOf(`handles.process.run({ program: "echo" })`)}]`;
    expect(await outputOf(code, ["os:process:echo", `fs:list:${world.folder}`])).toEqual([
      "safe",
      "constraint_violated",
      "constraint_violated",
    ]);
  });

  test("every link of the chain is asked, the contract's constraints too", async () => {
    const contract = await world.pipeline.capabilityManager.issue({
      capability: "memory:write:**",
      issuedBy: "operator",
      delegable: true,
      constraints: { when: "params.value > 0" },
    });
    const parent = await world.pipeline.bindingManager.bind({
      agentId: "parent",
      capability: "memory:write:**",
      contractId: contract.id,
      createdBy: "operator",
      delegable: true,
      constraints: { when: "params.value < 10" },
    });
    await world.pipeline.bindingManager.bind({
      agentId: "agent",
      capability: "memory:write:**",
      parentId: parent.id,
      createdBy: "operator",
      constraints: { when: "params.value != 5" },
    });
    const code = `return [${[-1, 1, 5, 10].map((value) => codeOf(`handles.memory.set("a", ${value})`)).join()}]`;
    expect(await outputOf(code, ["memory:write:**"])).toEqual([
      "constraint_violated",
      "performed",
      "constraint_violated",
      "constraint_violated",
    ]);
  });

  test("of two powers over one thing, one that allows these arguments is enough", async () => {
    await grant("memory:write:a", { when: "params.value == 1" });
    await grant("memory:write:**", { when: "params.value == 2" });
    const code = `return [${[1, 2, 3].map((value) => codeOf(`handles.memory.set("a", ${value})`)).join()}]`;
    expect(await outputOf(code, ["memory:write:a", "memory:write:**"])).toEqual([
      "performed",
      "performed",
      "constraint_violated",
    ]);
  });

  test("the first requirement's are asked of the script's own parameters", async () => {
    const { bindingId } = await grant("code:execute:other", { when: `params.code == "return 1"` });
    const step = (code: string) =>
      world.pipeline.executor.executeStep(
        world.context({
          action: builtinActions.script.run,
          requiredCapability: "code:execute:other",
          actionParams: { name: "other", code },
        }),
      );
    expect(await step("return 1")).toMatchObject({ status: "completed", bindingId });
    expect(await step("return 2")).toMatchObject({ status: "denied", reason: "constraint_violated" });
  });

  test("a file's path is held to the constraints of its own binding", async () => {
    writeFileSync(join(world.folder, "demo.js"), "return 1");
    await grant(`fs:read:${world.folder}/**`, { when: `params.path.endsWith("/demo.js")` });
    const step = (file: string) =>
      world.pipeline.executor.executeStep(
        world.context({
          action: builtinActions.script.run,
          requiredCapability: "code:execute:demo",
          actionParams: { name: "demo", file },
        }),
      );
    expect(await step("demo.js")).toMatchObject({ status: "completed", output: 1 });
    expect(await step("other.js")).toMatchObject({
      status: "failed",
      error: { code: "constraint_violated" },
    });
  });

  test.each<[string, Constraints]>([
    ["uses_exhausted", { max_uses: 0 }],
    ["binding_not_yet_valid", { not_before: "2999-01-01T00:00:00Z" }],
    ["constraint_violated", { except: ["secret/**"] }],
    ["approval_required", { approval: { within: "1m" } }],
  ])("everything else is decided before it starts: %s", async (reason, constraints) => {
    await grant("memory:read:**", constraints);
    expect(await run("return 1", ["memory:read:**"])).toMatchObject({ status: "denied", reason });
  });

  test("charges are made when it starts, once", async () => {
    await grant("memory:read:**", { max_uses: 1 });
    const code = `await handles.memory.get("a"); return await handles.memory.get("b")`;
    expect(await outputOf(code, ["memory:read:**"])).toEqual({ value: null });
    expect(await run(code, ["memory:read:**"])).toMatchObject({ status: "denied", reason: "uses_exhausted" });
  });

  test("no action of anybody else's can put a check off", async () => {
    await grant("memory:write:**", { when: "has(params.value) && params.value == 1" });
    await world.grant("agent", "job:run:a");
    const definition = {
      name: "sly",
      requires: () => ["job:run:a", "memory:write:a"],
      paramsOnUse: true,
      run: () => "ran",
    };
    const result = await world.pipeline.executor.executeStep(
      world.context({ action: defineAction(definition) }),
    );
    expect(result).toMatchObject({ status: "denied", reason: "constraint_violated" });
  });

  test("the log says that it was so, for whoever decides it again; a plain check puts nothing off", async () => {
    await grant("memory:write:**", { when: "false" });
    await run("return 1", ["memory:write:a"]);
    const requested = world.committed().findLast(({ event }) => event === "step_execution_requested");
    expect(requested).toMatchObject({
      params_on_use: true,
      requirements: ["code:execute:demo", "memory:write:a"],
    });
    const check = { agentId: "agent", capability: "memory:write:a", params: {} };
    expect(decide(check, world.committed(), Date.now())).toMatchObject({
      allowed: false,
      reason: "constraint_violated",
    });
  });
});

describe("http from a script", () => {
  let server: RunningServer;
  beforeEach(async () => {
    server = await startHttp((request, response) => response.end(request.method));
  });
  afterEach(() => server.close());

  test("a request is answered as the built-in action's; `params` sees its URL and method", async () => {
    const origin = `http://127.0.0.1:${server.port}`;
    const capability = `net:http:${origin}/**`;
    await world.grant("agent", capability, {
      constraints: {
        allow_private: ["127.0.0.0/8"],
        when: `params.method == "GET" && !params.url.contains("no")`,
      },
    });
    const code = `const response = await handles.http.request({ url: input + "/yes" });
      return [response.status, response.text,
        ${codeOf(`handles.http.request({ url: input + "/no" })`)},
        ${codeOf(`handles.http.request({ url: input + "/yes", method: "HEAD" })`)}]`;
    expect(await outputOf(code, [capability], origin)).toEqual([
      200,
      "GET",
      "constraint_violated",
      "constraint_violated",
    ]);
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /yes"]);
  });
});
