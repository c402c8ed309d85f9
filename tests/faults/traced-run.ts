import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const policy = `version: 1
contracts:
  notes: { capability: "memory:write:notes/**" }
  sh: { capability: "os:process:sh" }
  here: { capability: "fs:list:." }
agents:
  scribe:
    - "memory:write:notes/**"
    - { capability: "os:process:sh", constraints: { unconfined: true } }
    - fs:list:.
`;

const workflow = `name: faulty
steps:
  - { id: put, agent: scribe, action: memory.set, with: { key: notes/a, value: 1 } }
  - { id: act, agent: scribe, action: process.run, needs: [put], with: { program: sh, args: ["-c", "echo acted >> did"] } }
  - { id: again, agent: scribe, action: memory.set, needs: [act], with: { key: notes/b, value: 2 } }
`;

/** Whether a tool is there. */
export function has(tool: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;
}

/** A folder with the workflow and its policy, gone when the test ends. */
export function faultFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-fault-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "p.yaml"), policy);
  writeFileSync(join(folder, "w.yaml"), workflow);
  synapse(folder, [], "policy", "apply", "p.yaml");
  return folder;
}

export interface Ended {
  /** Null: a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command line, with a program such as strace in front of it. */
export function synapse(folder: string, front: readonly string[], ...args: readonly string[]): Ended {
  const [program = "", ...rest] = [...front, process.execPath, main, ...args, "--db", "log.db"];
  const { status, signal, stdout, stderr } = spawnSync(program, rest, { cwd: folder, encoding: "utf8" });
  return { code: signal === null && status !== 137 ? status : null, stdout, stderr };
}

/** strace with one fault in the database's own calls; what it did stands in the file `trace`. */
export function fault(folder: string, calls: string, what: string): readonly string[] {
  const files = ["log.db", "log.db-wal"].flatMap((name) => ["-P", join(folder, name)]);
  const trace = ["-e", `trace=${calls}`, "-e", `inject=${calls}:${what}`];
  return ["strace", "-f", "-qq", ...files, ...trace, "-o", join(folder, "trace")];
}

/** How often the step that must not be done twice was done. */
export function timesActed(folder: string): number {
  const file = join(folder, "did");
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").length : 0;
}

/** What the run said was durable, in the words that `expectSoundLog` knows. */
export function durableLines(stdout: string): string {
  const lines = stdout.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  const documents = lines.map((line) => JSON.parse(line) as { seq?: number; id?: string });
  return documents
    .filter(({ seq }) => seq !== undefined)
    .map(({ seq, id }) => `durable ${seq} ${id}\n`)
    .join("");
}
