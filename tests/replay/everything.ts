import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { policyFor, workflowFor } from "./everything-workflow.js";
import { document, documents, folder, type Outcome, synapse } from "../cli/invoke.js";

/** A run of the command line that used every built-in handle, with answers, failures and a denial. */
export interface Everything {
  readonly cwd: string;
  readonly runId: string;
  readonly server: Server;
  /** Requests that the server has seen. */
  readonly hits: () => number;
  readonly synapse: (...argv: readonly string[]) => Promise<Outcome>;
}

/** Runs everything for real; nothing is left to clean up. */
export async function recordEverything(): Promise<Everything> {
  let count = 0;
  const server = createServer((request, response) => {
    count++;
    if (request.url === "/hop") response.writeHead(302, { location: "/landed" }).end();
    else request.pipe(response.writeHead(200, { "content-type": "text/plain", "x-count": count }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const cwd = folder({ "p.yaml": policyFor(port), "w.yaml": workflowFor(port) });
  writeFileSync(join(cwd, "binary"), Buffer.from([0xff, 0, 0xfe, 10]));
  const run = (...argv: readonly string[]) => synapse({ cwd }, ...argv);
  const outcome = await run("run", "w.yaml", "--policy", "p.yaml", "--json");
  const runId = String(documents(outcome).at(-1)?.["run_id"]);
  return { cwd, runId, server, hits: () => count, synapse: run };
}

/** The verifier key of a database's log. */
export async function vkeyOf(cwd: string): Promise<string> {
  return (await synapse({ cwd }, "audit", "key")).stdout.trim();
}

/** Bundles a run; gives the file's path and the verifier key of its log. */
export async function bundled(
  { cwd, runId }: Pick<Everything, "cwd" | "runId">,
  ...more: readonly string[]
): Promise<{ readonly file: string; readonly vkey: string }> {
  const out = document(await synapse({ cwd }, "bundle", runId, "-o", "run.synapse", "--json", ...more));
  return { file: String(out["file"]), vkey: String(out["vkey"]) };
}

/** A digest of every file below a folder, its name, mode and bytes; SQLite's own side files aside. */
export function digestOfFolder(root: string): string {
  const hash = createHash("sha256");
  for (const name of (readdirSync(root, { recursive: true }) as string[]).sort()) {
    if (/-(?:wal|shm)$/.test(name)) continue;
    const path = join(root, name);
    const status = statSync(path);
    hash.update(`${name}\0${status.mode}\0`);
    if (status.isFile()) hash.update(readFileSync(path));
  }
  return hash.digest("hex");
}
