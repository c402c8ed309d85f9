import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import { modules } from "./bench.js";

/** A port of this machine that nothing listens on just now. */
export async function freePort(): Promise<number> {
  const socket = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => socket.once("listening", done));
  const { port } = socket.address() as AddressInfo;
  await new Promise((done) => socket.close(done));
  return port;
}

/** The everything server over streamable HTTP. */
export function startEverything(port: number): Promise<ChildProcess> {
  const script = join(modules, "@modelcontextprotocol/server-everything/dist/index.js");
  return listening(script, ["streamableHttp"], port);
}

/** The project's own server for the conformance suite. */
export const fixture = resolve(import.meta.dirname, "conformance/fixture/server.mjs");

export function startFixture(port: number): Promise<ChildProcess> {
  return listening(fixture, ["http", String(port)], port);
}

async function listening(script: string, args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await new Promise<void>((done, fail) => {
    const onData = (chunk: Buffer): void => {
      if (/listening/i.test(chunk.toString("utf8"))) done();
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    child.once("exit", () => fail(new Error("the server did not start")));
  });
  return child;
}
