/** What servers ask for, leak, and do when they fail; named after the cases of the catalogue of attacks. */
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ActionRegistry } from "../../src/core/action.js";
import { SecureExecutionContext } from "../../src/core/execution.js";
import { allBuiltinActions, builtinActions } from "../../src/actions/index.js";
import { createReplayHandles } from "../../src/actions/handles/index.js";
import type { JsonObject } from "../../src/model/json.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { findRun } from "../../src/replay/log-source.js";
import { replayRun, sourceOf } from "../../src/replay/replay-run.js";
import { type Bench, type Grant, openBench, servers } from "./bench.js";
import { type Client, isToolError, type Message, textOf } from "./client.js";

let bench: Bench;
afterEach(() => bench.close());

async function open(
  grants: readonly Grant[],
  capabilities: JsonObject = {},
  config?: JsonObject,
): Promise<Client> {
  bench = await openBench(config ?? { mcpServers: { h: servers.hostile() } }, grants);
  const client = bench.connect();
  await client.initialize(capabilities);
  return client;
}

/** What the server was answered when it asked. */
async function asking(client: Client, method: string, params: JsonObject = {}): Promise<JsonObject> {
  return JSON.parse(textOf(await client.call("ask", { method, params }))) as JsonObject;
}

const everything = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };
const yes = () => ({ result: { action: "accept", content: {} } });

describe("requests of servers", () => {
  test.each(["sampling/createMessage", "elicitation/create", "roots/list"])(
    "mcpatk-57 mcpatk-61 %s: not without a binding, nor when the client does not have it",
    async (method) => {
      const client = await open(["mcp:call:h/**"], everything);
      client.answers = yes;
      const denied = await asking(client, method);
      expect(denied["error"]).toMatchObject({ code: -32001 });
      const [record] = await bench.events("step_execution_denied");
      expect(record).toMatchObject({ reason: "no_capability", agent_id: "assistant" });
      expect(client.received.filter((message) => message.method === method)).toEqual([]);
      const action =
        { "sampling/createMessage": "sample", "elicitation/create": "elicit", "roots/list": "roots" }[
          method
        ] ?? "";
      await bench.grant(`mcp:${action}:h`);
      expect(await asking(client, method)).toEqual(yes());
      const bare = bench.connect();
      await bare.initialize();
      expect((await asking(bare, method))["error"]).toMatchObject({ code: -32601 });
    },
  );

  test("mcpatk-58 a budget bounds what a server may ask for", async () => {
    const client = await open(
      ["mcp:call:h/**", { capability: "mcp:sample:h", constraints: { max_uses: 2 } }],
      everything,
    );
    client.answers = yes;
    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(await asking(client, "sampling/createMessage"));
    expect(answers.map((answer) => "result" in answer)).toEqual([true, true, false, false]);
  });

  test.each<[string, JsonObject]>([
    [
      "mcpatk-59 a form that asks for a key",
      { mode: "form", requestedSchema: { type: "object", properties: { apiKey: { type: "string" } } } },
    ],
    [
      "mcpatk-59 a password by its title",
      { requestedSchema: { type: "object", properties: { x: { type: "string", title: "Your password" } } } },
    ],
    [
      "mcpatk-60 an address that is not https",
      { mode: "url", url: "http://login.example/", elicitationId: "1" },
    ],
    ["mcpatk-60 a script for an address", { mode: "url", url: "javascript:alert(1)", elicitationId: "1" }],
  ])("%s never reaches the person", async (_, params) => {
    const client = await open(["mcp:call:h/**", "mcp:elicit:h"], everything);
    client.answers = yes;
    expect((await asking(client, "elicitation/create", params))["error"]).toMatchObject({ code: -32001 });
    expect(client.received.filter(({ method }) => method === "elicitation/create")).toEqual([]);
    expect(await bench.events("step_execution_denied")).toHaveLength(1);
    const fine = {
      mode: "form",
      requestedSchema: { type: "object", properties: { city: { type: "string" } } },
    };
    expect(await asking(client, "elicitation/create", fine)).toEqual(yes());
  });

  test("mcpatk-65 what a client says of its roots grants nothing", async () => {
    const client = await open(["mcp:call:files/**"], everything, {
      mcpServers: { files: servers.filesystem("{FOLDER}") },
    });
    client.answers = () => ({ result: { roots: [{ uri: "file:///" }] } });
    client.notify("notifications/roots/list_changed");
    expect(textOf(await client.call("read_text_file", { path: "/etc/passwd" }))).toContain("(no_capability)");
    expect(client.received.filter(({ method }) => method === "roots/list")).toEqual([]);
  });
});

describe("resources and prompts", () => {
  test("mcpatk-68 what a result links to is not read without a grant, and lists show what may be read", async () => {
    const client = await open(["mcp:read:h/mem:\\/\\/a", "mcp:prompt:h/greet", "mcp:call:h/**"]);
    const { resources } = (await client.request("resources/list", {}))["result"] as {
      resources: { uri: string }[];
    };
    expect(resources.map(({ uri }) => uri)).toEqual(["mem://a"]);
    const templates = (await client.request("resources/templates/list", {}))["result"] as {
      resourceTemplates: { uriTemplate: string }[];
    };
    expect(templates.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(["mem://{name}"]);
    const { prompts } = (await client.request("prompts/list", {}))["result"] as {
      prompts: { name: string }[];
    };
    expect(prompts).toEqual([{ name: "greet" }]);
    for (const [method, params] of [
      ["resources/read", { uri: "file:///etc/passwd" }],
      ["resources/read", {}],
      ["prompts/get", { name: "jailbreak" }],
      ["completion/complete", { ref: { type: "ref/prompt", name: "jailbreak" }, argument: {} }],
      ["completion/complete", { ref: { type: "other" } }],
      ["resources/subscribe", { uri: "mem://b" }],
    ] as const)
      expect((await client.request(method, params))["error"], method).toMatchObject({ code: -32001 });
    expect((await client.request("tasks/list", {}))["error"]).toMatchObject({ code: -32601 });
    await client.request("resources/subscribe", { uri: "mem://a" });
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    const updated = client.received.filter(({ method }) => method === "notifications/resources/updated");
    expect(updated.map(({ params }) => (params as JsonObject)["uri"])).toEqual(["mem://a"]);
  });
});

describe("authority while a session goes on", () => {
  test("mcpatk-72 a binding that is revoked ends the call at once, cancels it upstream, and fences its late answer", async () => {
    const client = await open(["mcp:call:h/add"]);
    const id = await bench.grant("mcp:call:h/hold");
    const held = client.call("hold", {}, { _meta: { progressToken: "t" } });
    await client.next(({ method }) => method === "notifications/progress");
    const changed = client.next(({ method }) => method === "notifications/tools/list_changed");
    await bench.pipeline.bindingManager.unbind(id, { revokedBy: "operator" });
    const stopped = await held;
    expect(isToolError(stopped)).toBe(true);
    expect(textOf(stopped)).toContain("(revoked_while_running)");
    await changed;
    const { tools } = (await client.request("tools/list", {}))["result"] as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toEqual(["add"]);
    await expect.poll(() => bench.logged).toContain("h: cancelled");
    await expect.poll(() => bench.logged.join("\n")).toContain("answered a request that had ended");
    expect(JSON.stringify(client.received)).not.toContain("late");
  });

  test("mcpatk-71 mcpatk-29 a loop ends at its budget, and what an agent delegates stays its own", async () => {
    const client = await open([{ capability: "mcp:call:h/add", constraints: { max_uses: 3 } }]);
    const answers: Message[] = [];
    for (let n = 0; n < 5; n++) answers.push(await client.call("add", { a: n, b: n }));
    expect(answers.map(isToolError)).toEqual([false, false, false, true, true]);
    expect(textOf(answers[4] as Message)).toContain("(uses_exhausted)");
    const stranger = bench.connect("stranger");
    await stranger.initialize();
    expect(textOf(await stranger.call("add", { a: 1, b: 2 }))).toContain("(no_binding_found)");
  });

  test("mcpatk-74 mcpatk-10 mcpatk-75 the intent stands in the log before the server hears of it, and a session replays", async () => {
    const client = await open(["mcp:call:h/**"]);
    const forged = 'x\n{"event":"binding_created"}\n— synapse.local/1 AAAA';
    await client.call("echo", { text: forged });
    expect(textOf(await client.call("die"))).toContain("(upstream_unavailable)");
    await client.call("add", { a: 1, b: 2 });
    await client.call("nothing", { a: 1 });
    const types = (await bench.events())
      .map(({ event }) => event)
      .filter((event) => /^(step|effect)/.test(event));
    expect(types.slice(0, 5)).toEqual([
      "step_execution_requested",
      "step_execution_authorized",
      "effect_attempted",
      "effect_performed",
      "step_execution_completed",
    ]);
    await bench.gateway.close("done");
    const image = openImage(join(bench.folder, "log/synapse.db"));
    try {
      const run = findRun(image);
      const actions = new ActionRegistry(allBuiltinActions);
      const replay = await replayRun(run, sourceOf(image, run), { actions, handlesIn: createReplayHandles });
      expect(replay.steps.map(({ decision, execution }) => [decision.status, execution?.status])).toEqual(
        Array.from({ length: 4 }, () => ["identical", "identical"]),
      );
    } finally {
      image.close();
    }
  });

  test("an agent that is suspended sees nothing and calls nothing (A7)", async () => {
    const client = await open(["mcp:call:h/**"]);
    const changed = client.next(({ method }) => method === "notifications/tools/list_changed");
    await bench.pipeline.capabilityManager.suspend("assistant", { by: "operator" });
    await changed;
    expect((await client.request("tools/list", {}))["result"]).toMatchObject({ tools: [] });
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toContain("(agent_suspended)");
  });

  test("no policy is told to an agent, and its operator finds the whole of it", async () => {
    const client = await open([
      { capability: "mcp:call:h/echo", constraints: { when: "params.arguments.text == 'open sesame'" } },
    ]);
    const answer = textOf(await client.call("echo", { text: "x" }));
    for (const word of ["sesame", "bind_", "ctr_", "mcp:call"]) expect(answer).not.toContain(word);
    expect((await bench.events("step_execution_denied"))[0]?.["explanation"]).toContain("open sesame");
  });
});

describe("servers as processes", () => {
  test("mcpatk-77 a server sees its own environment and no secret of anybody else", async () => {
    const env = {
      ...process.env,
      SYNAPSE_SECRET_KEY: "gateway-secret",
      OTHER_TOKEN: "of-another",
      GIVEN: "passed",
      MINE: "expanded",
    };
    const server = { ...servers.everything, env: { OWN: "${MINE}", DEFAULTED: "${UNSET:-fallback}" } };
    bench = await openBench(
      { mcpServers: { e: server }, synapse: { pass_env: ["GIVEN"] } },
      ["mcp:call:e/get-env"],
      env,
    );
    const client = bench.connect();
    await client.initialize();
    const seen = JSON.parse(textOf(await client.call("get-env"))) as Record<string, string>;
    expect(seen).toMatchObject({ OWN: "expanded", DEFAULTED: "fallback", GIVEN: "passed" });
    expect(
      Object.keys(seen).filter(
        (name) => !/^(HOME|LANG|LOGNAME|PATH|SHELL|TERM|USER|OWN|DEFAULTED|GIVEN)$/.test(name),
      ),
    ).toEqual([]);
  });

  test("mcpatk-76 a command is started as it stands, without a shell", async () => {
    bench = await openBench({
      mcpServers: { h: { command: "node -e 1 && touch {FOLDER}/owned", args: [] } },
    });
    const answer = await bench.connect().initialize();
    expect(answer["error"]).toMatchObject({ code: -32000 });
    expect(bench.logged.join("\n")).toContain("ENOENT");
  });

  test("mcpatk-79 what is no message is dropped, a flood of errors is cut, and the session goes on", async () => {
    const client = await open(["mcp:call:h/**"]);
    expect(textOf(await client.call("garbage"))).toBe("after garbage");
    expect(textOf(await client.call("noise"))).toBe("noisy");
    expect(textOf(await client.call("malformed"))).toContain("(upstream_malformed)");
    expect(textOf(await client.call("add", { a: 1, b: 2 }))).toBe("3");
    expect(bench.logged.join("").length).toBeLessThan(100_000);
  });

  test("a server that dies fails what waits for it, is started by the next call, and is not sent a call twice", async () => {
    const client = await open(["mcp:call:h/**"]);
    const before = textOf(await client.call("pid"));
    const held = client.call("hold", {}, { _meta: { progressToken: "t" } });
    await client.next(({ method }) => method === "notifications/progress");
    const died = await client.call("die");
    expect([textOf(died), textOf(await held)].every((text) => text.includes("(upstream_unavailable)"))).toBe(
      true,
    );
    const after = textOf(await client.call("pid"));
    expect(Number(after)).not.toBe(Number(before));
    expect(bench.logged.filter((line) => line === "h: holding")).toHaveLength(1);
  });

  test("a client that goes takes its servers with it, and its calls are recorded to their end", async () => {
    const client = await open(["mcp:call:h/**"]);
    const pid = Number(textOf(await client.call("pid")));
    void client.call("hold", {}, { _meta: { progressToken: "t" } });
    await client.next(({ method }) => method === "notifications/progress");
    client.close();
    await expect.poll(async () => (await bench.events("run_completed")).length).toBe(1);
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
    expect((await bench.events("step_execution_completed")).at(-1)).toMatchObject({ code: "cancelled" });
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("what is left of the catalogue", () => {
  test("mcpatk-30 a step that no message of a client stands behind reaches no server", async () => {
    const client = await open(["mcp:call:h/**"]);
    await client.call("add", { a: 1, b: 2 });
    const [first] = await bench.events("step_execution_requested");
    const result = await bench.pipeline.executor.executeStep(
      new SecureExecutionContext({
        workflowId: "forged",
        stepId: "1",
        agentId: "assistant",
        requiredCapability: "mcp:call:h/add",
        auditReference: "x",
        traceId: first?.["trace_id"] as string,
        action: builtinActions.mcp.call,
        actionParams: { server: "h", tool: "add", arguments: { a: 1, b: 2 } },
      }),
    );
    expect(result).toMatchObject({ status: "failed", error: { code: "no_message" } });
  });

  test("mcpatk-39 a schema is never compiled, fetched or followed", async () => {
    const client = await open(["mcp:call:h/**"], {}, { mcpServers: { h: servers.hostile("bomb") } });
    expect(textOf(await client.call("bomb", { text: `${"a".repeat(60)}!`, tree: {} }))).toBe("called bomb");
  });

  test("mcpatk-69 what a server answers stands in the log as commitments alone", async () => {
    const client = await open(["mcp:call:h/**"]);
    expect(textOf(await client.call("echo", { text: "error: bad token sk-12345" }))).toContain("sk-12345");
    expect(JSON.stringify(await bench.events())).not.toContain("sk-12345");
  });
});
