import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { parseGatewayConfig } from "../../src/gateway/config/config-file.js";
import { stdioFront } from "../../src/gateway/front/stdio-front.js";
import { Gateway } from "../../src/gateway/gateway.js";
import { Exchange } from "../../src/gateway/session/exchange.js";
import type { AuditEvent } from "../../src/model/event.js";
import type { JsonObject } from "../../src/model/json.js";
import { createPipeline, type Pipeline } from "../../src/pipeline.js";
import { Client } from "./client.js";

export const modules = resolve(import.meta.dirname, "../../node_modules");
export const hostile = resolve(import.meta.dirname, "hostile-server.mjs");
export const vectors = resolve(
  import.meta.dirname,
  "../..",
  process.env["SYNAPSE_VECTORS"] ?? "../shared/vectors",
);

/** A grant: a capability, and constraints when it has any. */
export type Grant = string | { readonly capability: string; readonly constraints: JsonObject };

export interface Bench {
  readonly pipeline: Pipeline;
  readonly gateway: Gateway;
  readonly folder: string;
  readonly logged: string[];
  /** Connects one more client. */
  connect(agentId?: string): Client;
  /** Binds to the agent `assistant`, under a contract of its own; gives the binding's id. */
  grant(grant: Grant): Promise<string>;
  events(type?: string): Promise<AuditEvent[]>;
  close(): Promise<void>;
}

/**
 * A real pipeline on a real database with a gateway in front of real servers; only the client's two streams are of
 * this process.
 *
 * @param config as in a file; `{FOLDER}` stands for a new folder.
 */
export async function openBench(
  config: JsonObject,
  grants: readonly Grant[] = [],
  env: Record<string, string | undefined> = process.env,
): Promise<Bench> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "gateway-")));
  const exchange = new Exchange();
  const pipeline = await createPipeline({
    database: join(folder, "log/synapse.db"),
    mcp: exchange,
    workingFolder: folder,
  });
  const logged: string[] = [];
  const text = JSON.stringify(config).replaceAll("{FOLDER}", folder);
  const gateway = await Gateway.open({
    parts: pipeline,
    exchange,
    config: parseGatewayConfig(text, join(folder, "mcp.json"), env),
    version: "test",
    log: (server, line) => void logged.push(`${server}: ${line}`),
  });
  const grant = async (each: Grant): Promise<string> => {
    const { capability, constraints = {} } = typeof each === "string" ? { capability: each } : each;
    const contract = await pipeline.capabilityManager.issue({ capability, issuedBy: "test" });
    const binding = await pipeline.bindingManager.bind({
      agentId: "assistant",
      capability,
      contractId: contract.id,
      createdBy: "test",
      constraints,
    });
    return binding.id;
  };
  for (const each of grants) await grant(each);
  return {
    pipeline,
    gateway,
    folder,
    logged,
    connect(agentId = "assistant") {
      const [input, output] = [new PassThrough(), new PassThrough()];
      gateway.accept(stdioFront(input, output, { bytesMax: 1024 * 1024, depthMax: 64 }), agentId);
      return new Client(input, output);
    },
    grant,
    events: (event) => pipeline.audit.getEvents({ event }),
    async close() {
      await gateway.close("the test is over");
      await pipeline.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The reference servers, as a configuration starts them. */
export const servers = {
  filesystem: (root: string) => ({
    command: process.execPath,
    args: [join(modules, "@modelcontextprotocol/server-filesystem/dist/index.js"), root],
  }),
  everything: {
    command: process.execPath,
    args: [join(modules, "@modelcontextprotocol/server-everything/dist/index.js")],
  },
  memory: (file: string) => ({
    command: process.execPath,
    args: [join(modules, "@modelcontextprotocol/server-memory/dist/index.js")],
    env: { MEMORY_FILE_PATH: file },
  }),
  hostile: (...modes: readonly string[]) => ({ command: process.execPath, args: [hostile, ...modes] }),
};
