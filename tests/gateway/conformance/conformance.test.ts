/**
 * The official conformance suite (`@modelcontextprotocol/conformance`), scenario by scenario: what it counts for a
 * server directly, it counts for the gateway in front of it.
 */
import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json.js";
import { fixture, freePort, startEverything, startFixture } from "../child-server.js";
import { type ListeningGateway, OperatorFolder } from "../gateway-process.js";
import { runSuite, type SuiteReport } from "./suite.js";
import { openTokenRelay, type TokenRelay } from "./token-relay.js";

const audience = "http://gateway.test";
const scenarioCount = 32;

/** A server at a port, and a gateway, as a process, in front of it. */
class Pair {
  readonly direct: string;
  readonly #server: ChildProcess;
  readonly #folder: OperatorFolder;
  readonly #relay: TokenRelay;
  readonly #gateway: ListeningGateway;

  private constructor(
    direct: string,
    server: ChildProcess,
    folder: OperatorFolder,
    relay: TokenRelay,
    gateway: ListeningGateway,
  ) {
    this.direct = direct;
    this.#server = server;
    this.#folder = folder;
    this.#relay = relay;
    this.#gateway = gateway;
  }

  /** @param entry of the configuration; the server at its port, unless it is given. */
  static async open(start: (port: number) => Promise<ChildProcess>, entry?: JsonObject): Promise<Pair> {
    const port = await freePort();
    const server = await start(port);
    const direct = `http://localhost:${port}/mcp`;
    const folder = new OperatorFolder({ mcpServers: { web: entry ?? { type: "http", url: direct } } });
    await folder.grant("suite", "mcp:*:web/**");
    const relay = await openTokenRelay();
    const words = ["--http", "127.0.0.1:0", "--audience", audience, "--allow-origin", relay.origin];
    const gateway = await folder.listen(...words);
    relay.to(gateway.url, await folder.token("suite", audience));
    return new Pair(direct, server, folder, relay, gateway);
  }

  /** Through the gateway. */
  get through(): string {
    return this.#relay.url;
  }

  /** How the log stands after everything has ended. */
  async end(): Promise<{ readonly verified: boolean; readonly runs: readonly string[] }> {
    this.#gateway.child.kill("SIGINT");
    await this.#gateway.exit;
    const { code } = await this.#folder.run("audit", "verify");
    const { stdout } = await this.#folder.run("runs", "--json");
    const runs = stdout.trim().split("\n");
    return {
      verified: code === 0,
      runs: runs.map((line) => (JSON.parse(line) as { status: string }).status),
    };
  }

  close(): void {
    this.#gateway.child.kill("SIGKILL");
    this.#relay.close();
    this.#server.kill("SIGKILL");
    this.#folder.remove();
  }
}

describe("the fixture server, which has everything that the suite calls", () => {
  let pair: Pair;
  let direct: SuiteReport;
  let through: SuiteReport;

  beforeAll(async () => {
    pair = await Pair.open(startFixture);
    direct = await runSuite(pair.direct);
    through = await runSuite(pair.through);
  });

  afterAll(() => pair.close());

  test("directly it passes in full", () => {
    expect(Object.keys(direct.scenarios)).toHaveLength(scenarioCount);
    expect(direct.total.failed, direct.output).toBe(0);
    expect(direct.total.passed).toBeGreaterThanOrEqual(44);
  });

  test("through the gateway each scenario has the same counts", () => {
    expect(through.scenarios, through.output).toEqual(direct.scenarios);
  });

  test("all of it is in the log, which verifies, and every session has ended", async () => {
    const { verified, runs } = await pair.end();
    expect(verified).toBe(true);
    expect(runs.length).toBeGreaterThanOrEqual(scenarioCount);
    expect(new Set(runs)).toEqual(new Set(["completed"]));
  });
});

test("the fixture server over standard streams, where no stream can end early and go on: the same, but for that", async () => {
  const pair = await Pair.open(startFixture, { command: process.execPath, args: [fixture] });
  const { "server-sse-polling": resumed, ...direct } = (await runSuite(pair.direct)).scenarios;
  const report = await runSuite(pair.through);
  const { "server-sse-polling": kept, ...through } = report.scenarios;
  expect(through, report.output).toEqual(direct);
  expect([resumed, kept]).toEqual([
    { passed: 3, failed: 0 },
    { passed: 0, failed: 0 },
  ]);
  pair.close();
});

describe("the everything server, which has other tools than the suite calls", () => {
  let pair: Pair;

  beforeAll(async () => void (pair = await Pair.open(startEverything)));

  afterAll(() => pair.close());

  test("fails as much through the gateway as directly, but for names of other hosts", async () => {
    const { "dns-rebinding-protection": unprotected, ...direct } = (await runSuite(pair.direct)).scenarios;
    const report = await runSuite(pair.through);
    const { "dns-rebinding-protection": kept, ...through } = report.scenarios;
    expect(through, report.output).toEqual(direct);
    expect(Object.values(direct).some(({ failed }) => failed > 0)).toBe(true);
    // The server answers to any name; whoever reaches it through the gateway does not.
    expect(unprotected).toEqual({ passed: 1, failed: 1 });
    expect(kept).toEqual({ passed: 2, failed: 0 });
  });
});
