import { execFile } from "node:child_process";
import { join } from "node:path";
import { modules } from "../bench.js";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

export interface SuiteReport {
  /** By scenario, in the order of the suite. */
  readonly scenarios: Readonly<Record<string, Counts>>;
  readonly total: Counts;
  /** What it printed, for a test that fails. */
  readonly output: string;
}

const script = join(modules, "@modelcontextprotocol/conformance/dist/index.js");

/** Runs all scenarios of the official conformance suite for servers against the server at `url`. */
export async function runSuite(url: string): Promise<SuiteReport> {
  const words = [script, "server", "--url", url, "--suite", "all"];
  const output = await new Promise<string>((done) =>
    // It ends with 1 when a scenario fails, which is for its reader to judge.
    execFile(process.execPath, words, { maxBuffer: 64 * 1024 * 1024 }, (_, stdout, stderr) =>
      done(`${stdout}\n${stderr}`),
    ),
  );
  const lines = [...output.matchAll(/^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed$/gm)];
  const total = /^Total: (\d+) passed, (\d+) failed$/m.exec(output);
  if (lines.length === 0 || total === null) throw new Error(`the suite did not report:\n${output}`);
  const counts = (passed = "0", failed = "0"): Counts => ({ passed: Number(passed), failed: Number(failed) });
  return {
    scenarios: Object.fromEntries(lines.map(([, name = "", ...each]) => [name, counts(...each)])),
    total: counts(total[1], total[2]),
    output,
  };
}
