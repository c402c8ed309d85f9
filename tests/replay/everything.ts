import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
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

const policyFor = (port: number): string => `version: 1
name: all
contracts:
  files: { capability: "fs:*:./**" }
  out: { capability: "net:http:POST http://127.0.0.1:${port}/**", constraints: { allow_private: [127.0.0.0/8] } }
  in: { capability: "net:http:http://127.0.0.1:${port}/**", constraints: { allow_private: [127.0.0.0/8] } }
  run: { capability: "os:process:*", constraints: { unconfined: true } }
  notes: { capability: "memory:*:notes/**", constraints: { max_uses: 50 } }
agents:
  worker: ["fs:read:./**", "fs:write:./**", "fs:list:./**", "fs:delete:./tmp/**"]
  caller: ["net:http:POST http://127.0.0.1:${port}/**", "net:http:http://127.0.0.1:${port}/**"]
  shell: ["os:process:*", "fs:list:./**"]
  scribe:
    - { capability: "memory:*:notes/**", constraints: { max_uses: 5, rate: { limit: 4, per: 1h } } }
`;

const workflowFor = (port: number): string => `name: everything
steps:
  - { id: write, agent: worker, action: fs.write, with: { path: tmp/a.txt, content: "héllo" } }
  - { id: read, agent: worker, action: fs.read, needs: [write], with: { path: tmp/a.txt } }
  - { id: binary, agent: worker, action: fs.read, with: { path: binary } }
  - { id: list, agent: worker, action: fs.list, needs: [read], with: { path: . } }
  - { id: delete, agent: worker, action: fs.delete, needs: [list], with: { path: tmp/a.txt } }
  - { id: missing, agent: worker, action: fs.read, needs: [delete], with: { path: tmp/a.txt }, on_error: continue }
  - { id: post, agent: caller, action: http.request, with: { method: POST, url: "http://127.0.0.1:${port}/post", body: "\${{ steps.read.output.text }}" }, needs: [read] }
  - { id: hop, agent: caller, action: http.request, with: { url: "http://127.0.0.1:${port}/hop" }, on_error: continue }
  - { id: date, agent: shell, action: process.run, with: { program: date, args: [+%s%N] } }
  - { id: fails, agent: shell, action: process.run, with: { program: sh, args: [-c, "echo no >&2; exit 3"] } }
  - { id: put, agent: scribe, action: memory.set, with: { key: notes/a, value: { z: 1, a: [2] } } }
  - { id: get, agent: scribe, action: memory.get, needs: [put], with: { key: notes/a } }
  - { id: private, agent: scribe, action: memory.get, needs: [get, hop, post, fails, date, missing, binary], with: { key: private/a } }
`;

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
