/** Many clients at once: no call is lost, answered to somebody else, or left out of the log. */
import { expect, test } from "vitest";
import { openBench, servers } from "./bench.js";
import { textOf } from "./client.js";

test("12 sessions with 16 calls in flight each, some cancelled", async () => {
  const [sessions, inFlight, rounds] = [12, 16, 3];
  const bench = await openBench({ mcpServers: { h: servers.hostile() } }, ["mcp:call:h/**"]);
  const clients = Array.from({ length: sessions }, () => bench.connect());
  await Promise.all(clients.map((client) => client.initialize()));
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      clients.flatMap((client, session) =>
        Array.from({ length: inFlight }, async (_, n) => {
          const text = `${session}/${round}/${n}`;
          expect(textOf(await client.call("echo", { text }))).toBe(text);
        }),
      ),
    );
    for (const client of clients) {
      client.send({
        jsonrpc: "2.0",
        id: `x${round}`,
        method: "tools/call",
        params: { name: "hold", arguments: {} },
      });
      client.notify("notifications/cancelled", { requestId: `x${round}` });
    }
  }
  await bench.gateway.close("done");
  const [requested, ended] = [
    await bench.events("step_execution_requested"),
    await bench.events("step_execution_completed"),
  ];
  expect(requested).toHaveLength(sessions * rounds * (inFlight + 1));
  expect(ended).toHaveLength(requested.length);
  expect(ended.filter(({ result }) => result === "success")).toHaveLength(sessions * rounds * inFlight);
  // Each client has had its own servers, its own run, and exactly the answers to what it asked.
  expect(await bench.events("run_completed")).toHaveLength(sessions);
  for (const client of clients) {
    const ids = client.received.filter(({ method }) => method === undefined).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(1 + rounds * inFlight);
  }
  await bench.close();
});
