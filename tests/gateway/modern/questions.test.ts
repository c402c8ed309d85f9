/** What a server asks inside its answers, and what a client says to that: neither side is believed. */
import { join, resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ActionRegistry } from "../../../src/core/action.js";
import { allBuiltinActions } from "../../../src/actions/index.js";
import { createReplayHandles } from "../../../src/actions/handles/index.js";
import { openImage } from "../../../src/stores/sqlite/image.js";
import { findRun } from "../../../src/replay/log-source.js";
import { replayRun, sourceOf } from "../../../src/replay/replay-run.js";
import { RequestStates } from "../../../src/gateway/session/request-state.js";
import type { RpcRequest } from "../../../src/gateway/protocol/json-rpc.js";
import type { JsonObject } from "../../../src/model/json.js";
import { type Bench, type Grant, openBench } from "../bench.js";
import { type Client, isToolError, type Message, textOf } from "../client.js";
import { envelope } from "./peers.js";

const script = resolve(import.meta.dirname, "stateless-server.mjs");
const server = { command: process.execPath, args: [script] };
const can = { sampling: {}, elicitation: {}, roots: {} };

let bench: Bench;
afterEach(async () => bench.close());

const all = [
  "mcp:call:s/**",
  "mcp:read:s/**",
  "mcp:prompt:s/**",
  "mcp:elicit:s",
  "mcp:sample:s",
  "mcp:roots:s",
];

async function open(grants: readonly Grant[] = all): Promise<Client> {
  bench = await openBench({ mcpServers: { s: server } }, grants);
  return bench.connect();
}

const elicitation = {
  method: "elicitation/create",
  params: { message: "?", requestedSchema: { type: "object", properties: {} } },
};
const asking = (inputRequests: JsonObject, more: JsonObject = {}): JsonObject => ({
  result: { resultType: "input_required", inputRequests, ...more },
});

/** Calls the tool that gives back its argument. @param more beside name and arguments. */
function give(
  client: Client,
  args: JsonObject,
  more: JsonObject = {},
  capabilities: JsonObject = can,
): Promise<Message> {
  return client.request("tools/call", {
    name: "result",
    arguments: args,
    ...more,
    ...envelope(capabilities),
  });
}

const stateOf = ({ result }: Message): string => (result as { requestState: string }).requestState;
const sentTo = (): string[] =>
  bench.logged.filter((line) => line.startsWith("s: {")).map((line) => line.slice(3));

describe("a question", () => {
  test("goes to the client when all of them are permitted, with a state that is not the server's own", async () => {
    const client = await open();
    const answer = await give(client, asking({ one: elicitation }, { requestState: "own", odd: 1 }));
    expect(answer["result"]).toMatchObject({
      resultType: "input_required",
      inputRequests: { one: elicitation },
      odd: 1,
    });
    expect(stateOf(answer)).not.toBe("own");
    const capabilities = (await bench.events("step_execution_authorized")).map(
      (event) => event["capability"],
    );
    expect(capabilities).toEqual(["mcp:call:s/result", "mcp:elicit:s"]);
  });

  test("that is denied denies the answer that it came in, with a record", async () => {
    const client = await open(["mcp:call:s/**", "mcp:elicit:s"]);
    const sampling = { method: "sampling/createMessage", params: { messages: [] } };
    const answer = await give(client, asking({ one: elicitation, two: sampling }));
    expect(isToolError(answer)).toBe(true);
    expect(answer["result"]).toMatchObject({ resultType: "complete" });
    expect(textOf(answer)).toContain("(no_capability)");
    expect(JSON.stringify(answer)).not.toContain("inputRequests");
    const [denied] = await bench.events("step_execution_denied");
    expect(denied).toMatchObject({ capability: "mcp:sample:s", reason: "no_capability" });
    expect(textOf(answer)).toContain(String(denied?.id));
  });

  test.each<[string, JsonObject, JsonObject?]>([
    ["for a method that no server may ask", asking({ one: { method: "tools/call", params: { name: "x" } } })],
    ["that is none", asking({ one: "elicitation/create" })],
    ["in a list", { result: { resultType: "input_required", inputRequests: [elicitation] } }],
    [
      "of which there are too many",
      asking(Object.fromEntries([...Array(17).keys()].map((n) => [`k${n}`, elicitation]))),
    ],
    ["with a name without end", asking({ ["k".repeat(300)]: elicitation })],
    ["for what the client did not say that it has", asking({ one: elicitation }), { sampling: {} }],
    ["without a question", { result: { resultType: "input_required" } }],
    ["with a state that is no text", { result: { resultType: "input_required", requestState: 7 } }],
    [
      "in a result that calls itself complete",
      { result: { resultType: "complete", inputRequests: { one: 1 } } },
    ],
    [
      "in a result that calls itself something else",
      { result: { resultType: "odd", inputRequests: { one: 1 } } },
    ],
  ])("%s is none: nothing of it reaches the client", async (_, args, capabilities) => {
    const answer = await give(await open(), args, {}, capabilities);
    expect(isToolError(answer)).toBe(true);
    expect(textOf(answer)).toContain("upstream_malformed");
    expect(JSON.stringify(answer)).not.toContain("inputRequests");
  });

  test("for a password is refused whatever is permitted", async () => {
    const requestedSchema = { type: "object", properties: { password: { type: "string" } } };
    const asks = { method: "elicitation/create", params: { message: "?", requestedSchema } };
    const answer = await give(await open(), asking({ one: asks }));
    expect(isToolError(answer)).toBe(true);
    expect(textOf(answer)).toContain("must not ask a person for a secret");
    expect((await bench.events("step_execution_denied"))[0]).toMatchObject({ reason: "invalid_context" });
  });

  test("is asked with a prompt and a resource, and never with a list", async () => {
    const client = await open();
    const { result } = asking({ one: elicitation }) as { result: JsonObject };
    const prompt = await client.request("prompts/get", { name: "p", arguments: result, ...envelope(can) });
    expect(prompt["result"]).toMatchObject({ resultType: "input_required" });
    const read = await client.request("resources/read", { uri: "mem://a", also: result, ...envelope(can) });
    expect(read["result"]).toMatchObject({ resultType: "input_required" });
    const list = await client.request("resources/list", envelope(can, { evil: { one: elicitation } }));
    expect(list["error"]).toMatchObject({ code: -32_000, data: { reason: "upstream_malformed" } });
  });
});

describe("an answer", () => {
  const inputResponses = { one: { action: "accept", content: {} } };

  test("reaches the server with the server's own state, and takes what the question took", async () => {
    const client = await open();
    const args = asking({ one: elicitation }, { requestState: "own" });
    const requestState = stateOf(await give(client, args));
    await give(client, args, { inputResponses, requestState });
    const last = JSON.parse(sentTo().at(-1) as string) as { params: JsonObject };
    expect(last.params).toMatchObject({ inputResponses, requestState: "own" });
    const [, , call] = await bench.events("step_execution_authorized");
    expect(call?.["binding_ids"]).toHaveLength(2);
  });

  test("comes without a state where the server gave none", async () => {
    const client = await open();
    const args = asking({ one: elicitation });
    const requestState = stateOf(await give(client, args));
    await give(client, args, { inputResponses, requestState });
    const last = JSON.parse(sentTo().at(-1) as string) as { params: JsonObject };
    expect(last.params["requestState"]).toBeUndefined();
    expect(last.params["inputResponses"]).toEqual(inputResponses);
  });

  test("to no question is a state alone: a server that wants to be asked again gets it back", async () => {
    const client = await open(["mcp:call:s/**"]);
    const args = { result: { resultType: "input_required", requestState: "later" } };
    const requestState = stateOf(await give(client, args));
    await give(client, args, { requestState });
    const last = JSON.parse(sentTo().at(-1) as string) as { params: JsonObject };
    expect(last.params["requestState"]).toBe("later");
    const forged = await give(client, args, { inputResponses: { one: {} }, requestState });
    expect(textOf(forged)).toContain("(invalid_context)");
  });

  test("is denied when the permission for the question ended meanwhile", async () => {
    const client = await open(["mcp:call:s/**"]);
    const binding = await bench.grant("mcp:elicit:s");
    const args = asking({ one: elicitation });
    const requestState = stateOf(await give(client, args));
    await bench.pipeline.bindingManager.unbind(binding, { revokedBy: "test" });
    const before = sentTo().length;
    const answer = await give(client, args, { inputResponses, requestState });
    expect(isToolError(answer)).toBe(true);
    expect(textOf(answer)).toContain("binding_revoked");
    expect(sentTo()).toHaveLength(before);
  });

  test("of another agent, to another tool or with other arguments, changed or made up, is refused and recorded", async () => {
    const client = await open();
    const args = asking({ one: elicitation }, { requestState: "own" });
    const requestState = stateOf(await give(client, args));
    const other = { ...args, more: 1 };
    const prompt = { name: "result", arguments: args, inputResponses, requestState, ...envelope(can) };
    const flipped = `${requestState.slice(0, -2)}${requestState.endsWith("AA") ? "BB" : "AA"}`;
    for (const refused of [
      await give(client, other, { inputResponses, requestState }),
      await give(client, args, { inputResponses, requestState: "own" }),
      await give(client, args, { inputResponses, requestState: flipped }),
      await give(client, args, { inputResponses, requestState: 7 }),
      await give(client, args, { inputResponses }),
      await give(client, args, { inputResponses: { two: {} }, requestState }),
      await give(client, args, { inputResponses: [1], requestState }),
    ]) {
      expect(isToolError(refused)).toBe(true);
      expect(textOf(refused)).toContain("(invalid_context)");
    }
    expect((await client.request("prompts/get", prompt))["error"]).toMatchObject({ code: -32_001 });
    const stranger = bench.connect("stranger");
    expect(isToolError(await give(stranger, args, { inputResponses, requestState }))).toBe(true);
    expect(sentTo().filter((line) => line.includes("tools/call"))).toHaveLength(1);
    const denied = await bench.events("step_execution_denied");
    expect(denied).toHaveLength(9);
    expect(new Set(denied.map((event) => event["reason"]))).toEqual(new Set(["invalid_context"]));
  });

  test("with a list is none", async () => {
    const client = await open();
    const refused = await client.request("tools/list", { requestState: "x", ...envelope(can) });
    expect(refused["error"]).toMatchObject({ code: -32_602 });
  });
});

test("a run with questions and answers replays", async () => {
  const client = await open();
  const args = asking({ one: elicitation }, { requestState: "own" });
  const requestState = stateOf(await give(client, args));
  await give(client, args, { inputResponses: { one: { action: "accept" } }, requestState });
  await bench.gateway.close("done");
  const image = openImage(join(bench.folder, "log/synapse.db"));
  try {
    const run = findRun(image);
    const actions = new ActionRegistry(allBuiltinActions);
    const replay = await replayRun(run, sourceOf(image, run), { actions, handlesIn: createReplayHandles });
    expect(replay.steps.map(({ decision, execution }) => [decision.status, execution?.status])).toEqual(
      // The call, its question, the call with the answer, and what is asked again.
      Array.from({ length: 4 }, () => ["identical", "identical"]),
    );
  } finally {
    image.close();
  }
});

test("a state lapses after an hour", async () => {
  await open();
  let now = 0;
  const states = new RequestStates(Buffer.alloc(32, 1), () => now);
  const request: RpcRequest = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t" } };
  const sealed = states.seal(request, {
    agentId: "a",
    server: "s",
    questions: new Map([["k", "roots/list"]]),
    state: "x",
  });
  expect(states.open(request, "a", sealed)).toMatchObject({ server: "s", state: "x" });
  now = 60 * 60_000;
  expect(states.open(request, "a", sealed)).toBeUndefined();
  expect(new RequestStates(Buffer.alloc(32, 2), () => 0).open(request, "a", sealed)).toBeUndefined();
});
