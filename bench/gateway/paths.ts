import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rivalPath, root } from "../harness/root.js";

/** A way from a client to the server `everything`. */
export interface Path {
  readonly name: string;
  readonly call: (message: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

interface SdkClient {
  connect(transport: object): Promise<void>;
  callTool(call: { name: string; arguments: object }): Promise<{ content: { text?: string }[] }>;
  close(): Promise<void>;
}

const server = createRequire(join(root, "package.json")).resolve(
  "@modelcontextprotocol/server-everything/dist/index.js",
);
const own = join(root, "dist/cli/main.js");

/** All ways there are here; undefined where the SDK is not installed (`npm ci --prefix bench`). */
export async function openPaths(folder: string): Promise<readonly Path[] | undefined> {
  const sdk = await loadSdk();
  if (sdk === undefined) return undefined;
  const paths: Path[] = [];
  const stdio = async (name: string, ...command: string[]) => {
    paths.push(await sdk.connect(name, sdk.stdio(command)));
  };
  await stdio("direct", process.execPath, server, "stdio");
  const gateway = join(root, "bench/gateway/sdk-gateway.mjs");
  await stdio("SDK gateway", process.execPath, gateway, root, process.execPath, server, "stdio");
  await stdio("synapse gateway", process.execPath, ...synapse(folder));
  for (const [name, command] of [
    ["mcp-proxy 6.7.19", mcpProxy],
    ["supergateway 4.0.0", supergateway],
  ] as const) {
    const port = await freePort();
    const args = command(port);
    if (args !== undefined) paths.push(await overHttp(sdk, name, args, port));
  }
  return paths;
}

/** What an operator does once, and the line that a client has in its configuration. */
function synapse(folder: string): string[] {
  const database = ["--db", join(folder, "gateway.db")];
  const granted = (...args: string[]) =>
    execFileSync(process.execPath, [own, ...args, "--capability", "mcp:call:everything/echo", ...database]);
  granted("issue", "--by", "bench");
  granted("bind", "--agent", "bench", "--by", "bench");
  const config = join(folder, "mcp.json");
  const servers = { everything: { command: process.execPath, args: [server, "stdio"] } };
  writeFileSync(config, JSON.stringify({ mcpServers: servers }));
  return [own, "gateway", "--config", config, "--agent", "bench", ...database];
}

/** How many calls the log says were requested, authorised and completed. */
export function recordedCalls(folder: string): number[] {
  const count = (event: string) =>
    execFileSync(
      process.execPath,
      [
        own,
        "audit",
        "list",
        "--event",
        event,
        "--limit",
        "10000000",
        "--json",
        "--db",
        join(folder, "gateway.db"),
      ],
      { encoding: "utf8", maxBuffer: 2 ** 30 },
    )
      .split("\n")
      .filter((line) => line.includes("mcp:call:everything/echo")).length;
  return ["requested", "authorized", "completed"].map((what) => count(`step_execution_${what}`));
}

function mcpProxy(port: number): string[] | undefined {
  const main = rivalFile("mcp-proxy", "dist/bin/mcp-proxy.mjs");
  if (main === undefined) return undefined;
  const front = ["--port", String(port), "--host", "127.0.0.1", "--server", "stream"];
  return [main, ...front, "--", process.execPath, server, "stdio"];
}

function supergateway(port: number): string[] | undefined {
  const main = rivalFile("supergateway", "dist/index.js");
  if (main === undefined) return undefined;
  const back = ["--stdio", `${process.execPath} ${server} stdio`];
  const front = ["--outputTransport", "streamableHttp", "--stateful", "--port", String(port)];
  return [main, ...back, ...front, "--logLevel", "none"];
}

function rivalFile(name: string, file: string): string | undefined {
  const folder = join(root, "bench/node_modules", name);
  return rivalPath("@modelcontextprotocol/sdk/client/index.js") === undefined
    ? undefined
    : join(folder, file);
}

async function loadSdk() {
  const load = async (
    name: string,
  ): Promise<Record<string, new (...args: unknown[]) => object> | undefined> => {
    const path = rivalPath(`@modelcontextprotocol/sdk/client/${name}.js`);
    return path === undefined
      ? undefined
      : ((await import(pathToFileURL(path).href)) as Record<string, new (...args: unknown[]) => object>);
  };
  const [index, stdio, http] = [await load("index"), await load("stdio"), await load("streamableHttp")];
  const Client = index?.["Client"];
  const Stdio = stdio?.["StdioClientTransport"];
  const Http = http?.["StreamableHTTPClientTransport"];
  if (Client === undefined || Stdio === undefined || Http === undefined) return undefined;
  return {
    stdio: ([command, ...args]: readonly string[]) => new Stdio({ command, args, stderr: "ignore" }),
    http: (url: string) => new Http(new URL(url)),
    connect: async (name: string, transport: object): Promise<Path> => {
      const client = new Client({ name: "bench", version: "1" }) as SdkClient;
      await client.connect(transport);
      return {
        name,
        call: async (message) => {
          const answer = await client.callTool({ name: "echo", arguments: { message } });
          return answer.content[0]?.text ?? "";
        },
        close: () => client.close(),
      };
    },
  };
}

type Sdk = NonNullable<Awaited<ReturnType<typeof loadSdk>>>;

async function overHttp(sdk: Sdk, name: string, args: string[], port: number): Promise<Path> {
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  try {
    const path = await connected(() => sdk.connect(name, sdk.http(`http://127.0.0.1:${port}/mcp`)), child);
    return {
      ...path,
      close: async () => {
        await path.close();
        child.kill();
      },
    };
  } catch (error) {
    child.kill();
    throw error;
  }
}

/** It takes a moment until it listens. */
async function connected(connect: () => Promise<Path>, child: ChildProcess): Promise<Path> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connect();
    } catch (error) {
      if (attempt === 60 || child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
