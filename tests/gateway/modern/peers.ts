import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { stdioFront } from "../../../src/gateway/front/stdio-front.js";
import type { JsonObject } from "../../../src/model/json.js";
import type { Bench } from "../bench.js";
import { StreamTransport } from "./stream-transport.js";

export const version = "2026-07-28";
const script = resolve(import.meta.dirname, "sdk-server.mjs");

/** A server of the SDK, as a configuration starts it. */
export function sdkServer(...modes: readonly string[]) {
  return { command: process.execPath, args: [script, ...modes] };
}

/** The same at a port. */
export async function startSdkServer(
  ...modes: readonly string[]
): Promise<{ readonly url: string; readonly child: ChildProcess; readonly said: () => string }> {
  const child = spawn(process.execPath, [script, "http", ...modes], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const port = await new Promise<string>((resolvePort, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolvePort(chunk.toString("utf8").trim()));
    child.once("exit", () => reject(new Error(`the server did not start: ${said}`)));
  });
  return { url: `http://127.0.0.1:${port}/mcp`, child, said: () => said };
}

/** What a request of the stateless revision says of itself. */
export function envelope(
  capabilities: JsonObject = {},
  more: JsonObject = {},
): { readonly _meta: JsonObject } {
  return {
    _meta: {
      "io.modelcontextprotocol/protocolVersion": version,
      "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": capabilities,
      ...more,
    },
  };
}

const everything = { sampling: {}, elicitation: {}, roots: {} };

/** A client of the SDK. @param mode `auto`: it speaks both, and finds out. */
export function sdkClient(
  mode: "legacy" | "auto" | { pin: string } = { pin: version },
  capabilities = everything,
): Client {
  const client = new Client(
    { name: "sdk-client", version: "9" },
    { capabilities, versionNegotiation: { mode } },
  );
  if ("elicitation" in capabilities)
    client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { colour: "red" } }));
  if ("sampling" in capabilities)
    client.setRequestHandler("sampling/createMessage", () => ({
      role: "assistant",
      content: { type: "text", text: "sampled" },
      model: "m",
    }));
  if ("roots" in capabilities)
    client.setRequestHandler("roots/list", () => ({ roots: [{ uri: "file:///srv", name: "srv" }] }));
  return client;
}

/** Connects it to the gateway by the streams that a program has. */
export async function connectByStreams(bench: Bench, client: Client, agentId = "assistant"): Promise<void> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  bench.gateway.accept(stdioFront(input, output, { bytesMax: 1024 * 1024, depthMax: 64 }), agentId);
  await client.connect(new StreamTransport(output, input));
}

export async function connectByHttp(url: string, token: string, client: Client): Promise<void> {
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
}

export function firstText(result: unknown): string {
  return (result as { content?: { text?: string }[] }).content?.[0]?.text ?? "";
}

/** Waits until something holds that is not told. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let n = 0; n < 400; n++) {
    if (await holds()) return;
    await new Promise((resolve_) => setTimeout(resolve_, 25));
  }
  throw new Error(`it never came to this: ${what}`);
}
