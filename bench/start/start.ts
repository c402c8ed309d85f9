import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../harness/bench.js";
import { root } from "../harness/root.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, median, ratio } from "../harness/statistics.js";

const cli = join(root, "dist/cli/main.js");

const workflow = `name: bench
steps:
  - { id: only, agent: a, action: memory.set, with: { key: k, value: 1 } }
`;
const policy = `version: 1
name: bench
contracts: { all: { capability: "memory:write:k" } }
agents: { a: ["memory:write:k"] }
`;

export const start: Bench = {
  name: "start",
  title: "Starting the command line, and a run of one step with it",
  run: async ({ short, folder }) => {
    if (!existsSync(cli)) throw new Error("build the package first: npm run build");
    writeFileSync(join(folder, "workflow.yaml"), workflow);
    writeFileSync(join(folder, "policy.yaml"), policy);
    let checked = 0;
    const timed = (args: readonly string[], expected: RegExp): number => {
      const before = performance.now();
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
      const ms = performance.now() - before;
      if (status !== 0 || !expected.test(stdout))
        throw new Error(`\`${args.join(" ")}\` ended with ${status}: ${stderr}`);
      checked++;
      return ms;
    };
    const starts = short ? 1 : 7;
    const each = (args: () => readonly string[], expected: RegExp) => () =>
      median(Array.from({ length: starts }, () => timed(args(), expected)));
    let databases = 0;
    const run = () => [
      cli,
      "run",
      "workflow.yaml",
      "--policy",
      "policy.yaml",
      "--db",
      `${databases++}.db`,
      "--json",
    ];
    const measurements = await inRounds(
      short ? 2 : 7,
      [
        { what: "synapse --version", measure: each(() => [cli, "--version"], /^[0-9.]+\n$/) },
        { what: "bare node", measure: each(() => ["-e", "0"], /^$/) },
        { what: "synapse run, one step, new database", measure: each(run, /completed/) },
      ].map((contender) => ({ ...contender, unit: "ms" })),
    );
    const [version, bare, whole] = measurements;
    if (version === undefined || bare === undefined || whole === undefined)
      throw new Error("nothing was measured");
    return {
      measurements,
      comparisons: [ratio(version, bare, atMost(1.3)), ratio(whole, bare)],
      checked,
      notes: ["A process each, from its start to its end; files are in the system's cache."],
    };
  },
};
