/** The one way from a client to a server: a message is picked up by its own step, once, for what it was decided for. */
import { expect, test } from "vitest";
import { createMcpHandle } from "../../src/actions/handles/mcp.js";
import { Exchange } from "../../src/gateway/session/exchange.js";
import { createTestGate } from "../actions/test-gate.js";

const answer = { result: { content: [] } };
const call = { server: "h", method: "tools/call", params: { name: "add" } };
const signal = new AbortController().signal;

function laid(): { readonly exchange: Exchange; readonly sent: string[]; readonly takeAway: () => void } {
  const exchange = new Exchange();
  const sent: string[] = [];
  const forward = async () => {
    sent.push("sent");
    return answer;
  };
  return {
    exchange,
    sent,
    takeAway: exchange.lay("mcp/run/1", { server: "h", method: "tools/call", forward }),
  };
}

test("a message is passed on once, however often its action asks", async () => {
  const { exchange, sent } = laid();
  expect(await exchange.request("mcp/run/1", call, signal)).toBe(answer);
  await expect(exchange.request("mcp/run/1", call, signal)).rejects.toMatchObject({ code: "no_message" });
  expect(sent).toHaveLength(1);
});

test.each([
  ["another step", "mcp/run/2", call],
  ["another server", "mcp/run/1", { ...call, server: "other" }],
  ["another method", "mcp/run/1", { ...call, method: "resources/read" }],
])("%s does not get it", async (_, traceId, request) => {
  const { exchange, sent } = laid();
  await expect(exchange.request(traceId, request, signal)).rejects.toMatchObject({ code: "no_message" });
  expect(sent).toEqual([]);
});

test("a message whose step is over is gone", async () => {
  const { exchange, takeAway } = laid();
  takeAway();
  await expect(exchange.request("mcp/run/1", call, signal)).rejects.toMatchObject({ code: "no_message" });
});

test("the handle finds out by itself what a request takes, and asks for no less than it is told", async () => {
  const upstreams = { request: async () => answer };
  const gate = createTestGate({ grants: ["mcp:call:h/add"] });
  const handle = createMcpHandle(gate, upstreams);
  expect(await handle.request(call)).toEqual(answer);
  for (const request of [
    { ...call, params: { name: "delete_all" } },
    { ...call, server: "other" },
    { ...call, method: "resources/read", params: { uri: "mem://a" } },
    { ...call, implies: ["fs:read:/etc/passwd"] },
  ])
    await expect(handle.request(request)).rejects.toMatchObject({ code: "outside_authority" });
  await expect(handle.request({ ...call, params: {} })).rejects.toMatchObject({ code: "invalid_capability" });
  await expect(createMcpHandle(gate, undefined).request(call)).rejects.toMatchObject({ code: "no_upstream" });
});
