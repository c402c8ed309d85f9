/** A client and a server of the SDK's second line, with the gateway between them: 2026-07-28 on both sides. */
import type { ChildProcess } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json.js";
import type { Bench, Grant } from "../bench.js";
import { openBench } from "../bench.js";
import { openHttpBench } from "../http/http-bench.js";
import {
  connectByHttp,
  connectByStreams,
  firstText,
  sdkClient,
  sdkServer,
  startSdkServer,
  until,
} from "./peers.js";

let bench: Bench | undefined;
let child: ChildProcess | undefined;

afterEach(async () => {
  await bench?.close();
  child?.kill("SIGKILL");
  [bench, child] = [undefined, undefined];
});

type Way = "streams to streams" | "streams to http" | "http to streams" | "http to http";

/** A client that is connected, by each of the transports on each of the sides. */
async function open(way: Way, grants: readonly Grant[], client = sdkClient()) {
  const [front, back] = way.split(" to ");
  let server: JsonObject = sdkServer();
  let said = (): string => "";
  if (back === "http") {
    const started = await startSdkServer();
    child = started.child;
    said = started.said;
    server = { type: "http", url: started.url };
  }
  if (front === "http") {
    const http = await openHttpBench({ mcpServers: { s: server } }, grants);
    bench = http;
    await connectByHttp(http.url, await http.token(), client);
  } else {
    bench = await openBench({ mcpServers: { s: server } }, grants);
    await connectByStreams(bench, client);
  }
  const { logged } = bench;
  return { client, bench, heard: () => `${logged.join("\n")}${said()}` };
}

const all = ["mcp:*:s/**", "mcp:*:s"];

describe.each<Way>(["streams to streams", "streams to http", "http to streams", "http to http"])(
  "%s",
  (way) => {
    test("it is discovered, listed and called, and each call is a recorded step", async () => {
      const { client, bench } = await open(way, all);
      expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
      expect(client.getInstructions()).toBe("be good");
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain("add");
      expect(firstText(await client.callTool({ name: "add", arguments: { a: 1, b: 2 } }))).toBe("3");
      const meta = JSON.parse(
        firstText(await client.callTool({ name: "meta", arguments: {} })),
      ) as JsonObject;
      expect(meta).toMatchObject({
        "io.modelcontextprotocol/clientInfo": { name: "sdk-client", version: "9" },
        "io.modelcontextprotocol/clientCapabilities": { elicitation: {}, sampling: {}, roots: {} },
      });
      expect(firstText(await client.callTool({ name: "query", arguments: { region: "süd\n1" } }))).toBe(
        "asked süd\n1",
      );
      expect((await client.readResource({ uri: "mem://a" })).contents).toMatchObject([
        { text: "text of mem://a" },
      ]);
      expect((await client.getPrompt({ name: "greet" })).messages).toHaveLength(1);
      expect(await bench.events("step_execution_completed")).toHaveLength(5);
      expect(await bench.events("run_started")).toHaveLength(1);
    });

    test("what a server asks inside its answer is answered, and it gets its own state back", async () => {
      const { client, bench } = await open(way, all);
      const answer = JSON.parse(
        firstText(await client.callTool({ name: "ask", arguments: { who: "me" } })),
      ) as JsonObject;
      expect(answer).toMatchObject({
        who: "me",
        state: "state of me",
        inputResponses: {
          name: { action: "accept", content: { colour: "red" } },
          model: { content: { text: "sampled" } },
          where: { roots: [{ uri: "file:///srv" }] },
        },
      });
      const steps = (await bench.events("step_execution_authorized")).map((event) => event["capability"]);
      expect(steps).toEqual([
        "mcp:call:s/ask",
        "mcp:elicit:s",
        "mcp:sample:s",
        "mcp:roots:s",
        "mcp:call:s/ask",
      ]);
    });

    test("a call that is given up is given up at its server", async () => {
      const { client, bench, heard } = await open(way, all);
      const stop = new AbortController();
      const progress: unknown[] = [];
      const call = client.callTool(
        { name: "slow", arguments: {} },
        { signal: stop.signal, onprogress: (each) => void progress.push(each) },
      );
      await until(() => progress.length > 0, "progress");
      stop.abort(new Error("enough"));
      await expect(call).rejects.toThrow();
      await until(
        async () => (await bench.events("step_execution_completed")).length === 1,
        "the end of the step",
      );
      const [end] = await bench.events("step_execution_completed");
      expect(end).toMatchObject({ result: "failure", code: "cancelled" });
      await until(() => heard().includes("aborted"), "the server hears of it");
    });

    test("resources and lists: what was asked for is told, and what may be read alone", async () => {
      const { client } = await open(way, ["mcp:call:s/**", "mcp:read:s/mem:\\/\\/a"]);
      const told: string[] = [];
      client.setNotificationHandler(
        "notifications/resources/updated",
        ({ params }) => void told.push(params.uri),
      );
      client.setNotificationHandler("notifications/tools/list_changed", () => void told.push("tools"));
      const subscription = await client.listen({
        toolsListChanged: true,
        resourceSubscriptions: ["mem://a", "mem://b"],
      });
      expect(subscription.honoredFilter).toEqual({
        toolsListChanged: true,
        resourceSubscriptions: ["mem://a"],
      });
      for (const uri of ["mem://b", "mem://a"]) await client.callTool({ name: "touch", arguments: { uri } });
      await client.callTool({ name: "grow", arguments: {} });
      await until(() => told.includes("tools") && told.includes("mem://a"), "both");
      expect(told).not.toContain("mem://b");
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain("extra");
      await subscription.close();
    });
  },
);
