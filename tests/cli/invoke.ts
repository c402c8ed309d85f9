import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, onTestFinished } from "vitest";
import { expectSameAgain } from "../replay/replay-database.js";
import { runCli } from "../../src/cli/run-cli.js";

/** A stream that keeps what it is given; `isTTY` as a terminal has it. */
export class Sink extends Writable {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly cwd: string;
  readonly env?: { readonly [name: string]: string };
  readonly stdout?: Sink;
  readonly signal?: AbortSignal;
}

/** The command line in this process, with real files, database and programs. */
export async function synapse(surroundings: Surroundings, ...argv: readonly string[]): Promise<Outcome> {
  const { cwd, env = {}, stdout = new Sink(), signal } = surroundings;
  const stderr = new Sink();
  const code = await runCli(argv, { stdout, stderr, env, cwd, signal });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

export type Document = Readonly<Record<string, unknown>>;

/** Standard output as JSON documents, one a line; fails when anything else is there. */
export function documents({ stdout }: Pick<Outcome, "stdout">): Document[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Document);
}

/** The only document. */
export function document(outcome: Pick<Outcome, "stdout">): Document {
  const all = documents(outcome);
  expect(all).toHaveLength(1);
  return all[0] ?? {};
}

/** A folder of this test, gone when it ends. Its path is real, as recorded paths are. */
export function folder(files: { readonly [name: string]: string } = {}): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "synapse-cli-")));
  onTestFinished(async () => {
    // Record, replay, compare: whatever a test had the command line run.
    await expectSameAgain(join(path, ".synapse/synapse.db"), path);
    rmSync(path, { recursive: true, force: true });
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** A refusal as everybody sees it: exit code, `error[CODE]:` and nothing on standard output. */
export function expectRefusal(outcome: Outcome, code: number, errorCode: string, said?: RegExp): void {
  expect(outcome.stderr).toMatch(new RegExp(`^error\\[${errorCode}\\]: `));
  if (said !== undefined) expect(outcome.stderr).toMatch(said);
  expect(outcome.stdout).toBe("");
  expect(outcome.code).toBe(code);
}
