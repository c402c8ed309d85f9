/** What time alone takes away or gives is announced to the client, and not only found out by its next call. */
import { afterEach, describe, expect, test } from "vitest";
import fc from "fast-check";
import { ledgerOf } from "../../src/core/audit.js";
import { nextTurn } from "../../src/gateway/session/authority-watch.js";
import { type Bench, openBench, servers } from "./bench.js";
import { type Client, isToolError, textOf } from "./client.js";

let bench: Bench;
afterEach(() => bench.close());

const soonMs = 2_000;

async function open(): Promise<Client> {
  bench = await openBench({ mcpServers: { h: servers.hostile() } });
  const client = bench.connect();
  await client.initialize();
  return client;
}

async function names(client: Client): Promise<readonly string[]> {
  const { tools } = (await client.request("tools/list"))["result"] as { tools: { name: string }[] };
  return tools.map(({ name }) => name);
}

const announced = (client: Client): Promise<unknown> =>
  client.next(({ method }) => method === "notifications/tools/list_changed");

async function bindUntil(
  capability: string,
  times: { readonly contract?: Date; readonly binding?: Date; readonly from?: Date },
): Promise<void> {
  const { capabilityManager, bindingManager } = bench.pipeline;
  const contract = await capabilityManager.issue({
    capability,
    issuedBy: "test",
    ...(times.contract === undefined ? {} : { expiresAt: times.contract.toISOString() }),
  });
  await bindingManager.bind({
    agentId: "assistant",
    capability,
    contractId: contract.id,
    createdBy: "test",
    ...(times.binding === undefined ? {} : { expiresAt: times.binding.toISOString() }),
    ...(times.from === undefined ? {} : { constraints: { not_before: times.from.toISOString() } }),
  });
}

const soon = (): Date => new Date(Date.now() + soonMs);

describe("a tool that an agent may use for a moment", () => {
  test.each(["binding", "contract"] as const)(
    "its %s ends: announced, and not listed or called then",
    async (what) => {
      const client = await open();
      await bindUntil("mcp:call:h/echo", { [what]: soon() });
      await announced(client);
      expect(await names(client)).toEqual(["echo"]);
      await announced(client);
      expect(await names(client)).toEqual([]);
      expect(isToolError(await client.call("echo", { text: "x" }))).toBe(true);
    },
  );

  test("its binding begins: announced, and listed and called then", async () => {
    const client = await open();
    await bindUntil("mcp:call:h/echo", { from: soon() });
    await announced(client);
    expect(await names(client)).toEqual([]);
    await announced(client);
    expect(textOf(await client.call("echo", { text: "x" }))).toBe("x");
  });

  test("two that end one after the other are two announcements, and what is over is none", async () => {
    await open();
    const client = bench.connect();
    await bindUntil("mcp:call:h/echo", { binding: soon() });
    await bindUntil("mcp:call:h/add", { binding: new Date(Date.now() + 2 * soonMs) });
    await client.initialize();
    await announced(client);
    expect(await names(client)).toEqual(["add"]);
    await announced(client);
    expect(await names(client)).toEqual([]);
    const state = ledgerOf(bench.pipeline.audit).state;
    expect(nextTurn(state.bindingsOf("assistant"), Date.now())).toBeUndefined();
  });
});

test("the next turn is the first one that is to come, of authority that stands", async () => {
  await open();
  const at = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });
  const link = fc.record({
    expiresAt: at,
    notBefore: at,
    revokedSeq: fc.option(fc.constant(1), { nil: undefined, freq: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(link, { minLength: 1, maxLength: 3 })),
      fc.integer({ min: 0, max: 100 }),
      (chains, now) => {
        const standing = chains.filter((chain) => chain.every(({ revokedSeq }) => revokedSeq === undefined));
        const times = standing
          .flat()
          .flatMap(({ expiresAt, notBefore }) => [expiresAt, notBefore])
          .filter((time) => time !== undefined && time > now) as number[];
        const bindings = chains.map((chain) => ({ chain })) as unknown as Parameters<typeof nextTurn>[0];
        expect(nextTurn(bindings, now)).toBe(times.length === 0 ? undefined : Math.min(...times));
      },
    ),
  );
});
