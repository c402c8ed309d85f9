/** SIGKILL at the entry of each call that writes, syncs, cuts, links or removes: call k is the first not done. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { synapse } from "../cli/invoke.js";
import { newFolder, startProgram, synapseCommand, timesActed } from "./fixtures/fault-world.js";
import { expectRecovery, expectShortTail } from "./fixtures/recovery.js";
import { canTrace } from "./fixtures/tools.js";

/** More than a run makes of any call; the loop ends where the run ends by itself. */
const killsMax = 600;

/**
 * Each with how many kills there are at the least. How many exactly is not the same each time: strace counts for each
 * thread, threads wake each other by writing, and effects may or may not share a transaction. A question mark: not
 * every machine has the older of two calls.
 */
const kinds = {
  // The key, and what the run says: killed before the word that an event is durable is out.
  say: ["write", 10],
  write: ["pwrite64", 100],
  sync: ["fsync,fdatasync", 15],
  cut: ["ftruncate,?truncate,fallocate", 1],
  rename: ["?rename,?renameat,?renameat2", 0],
  link: ["?link,linkat", 1],
  remove: ["?unlink,unlinkat", 1],
} as const;

const lateTraced = fileURLToPath(new URL("fixtures/late-traced.mjs", import.meta.url));

/** From an empty folder: the database, its tables, its key, the policy and the run are all made under fire. */
const wholeRun = ["run", "w.yaml", "--policy", "p.yaml", "--json"] as const;

/** Kills a run at the k-th call, and says whether it ended before that. */
async function killAt(calls: string, k: number): Promise<boolean> {
  const folder = newFolder();
  const kill = [calls, `signal=SIGKILL:when=${k}`];
  const command = [process.execPath, lateTraced, ...kill, ...wholeRun, "--db", "log.db"];
  const ended = await startProgram(folder, command).ended;
  if (ended.code !== null) expect(ended.stderr).toBe("");
  const { atFault, status } = await expectRecovery(folder, ended);
  expectShortTail(ended, atFault);
  if (status === undefined) {
    // Nothing of the run was durable: it is begun as if there had been none.
    const again = await synapse({ cwd: folder }, ...wholeRun, "--db", "log.db");
    expect(again).toMatchObject({ code: 0 });
    expect(timesActed(folder)).toBe(1);
    await expectRecovery(folder, { stdout: "" });
  }
  rmSync(folder, { recursive: true });
  return ended.code === 0;
}

/** Two at a time, until one ended by itself; gives how many were killed. */
async function killInTurn(calls: string): Promise<number> {
  for (let k = 1; k < killsMax; k += 2) {
    const ended = await Promise.all([killAt(calls, k), killAt(calls, k + 1)]);
    const first = ended.indexOf(true);
    if (first !== -1) return k + first - 1;
  }
  throw new Error(`the run had not ended after ${killsMax} calls`);
}

/** How often a run makes each kind of call. */
async function callsMade(): Promise<ReadonlyMap<string, number>> {
  const folder = newFolder();
  const trace = [
    "-e",
    `trace=${Object.values(kinds)
      .map(([calls]) => calls)
      .join(",")}`,
    "-o",
    join(folder, "trace"),
  ];
  const command = synapseCommand(["strace", "-f", "-qq", "-s", "0", ...trace], ...wholeRun);
  expect(await startProgram(folder, command).ended).toMatchObject({ code: 0 });
  const lines = readFileSync(join(folder, "trace"), "utf8").split("\n");
  const count = (calls: string) =>
    lines.filter((line) => calls.split(",").some((name) => line.includes(` ${name.replace("?", "")}(`)))
      .length;
  return new Map(Object.entries(kinds).map(([kind, [calls]]) => [kind, count(calls)]));
}

describe.skipIf(!canTrace)(
  "kill -9 at every call in turn, until a run that starts with nothing ends by itself",
  () => {
    it.each(Object.entries(kinds))("%s", { timeout: 600_000 }, async (kind, [calls, atLeast]) => {
      const made = (await callsMade()).get(kind) ?? 0;
      const kills = await killInTurn(calls);
      const said = kills === 0 ? "a run makes no such call" : `${kills} kills`;
      process.stdout.write(`${kind} (${calls.replaceAll("?", "")}): ${said}\n`);
      expect(kills === 0).toBe(made === 0);
      expect(kills).toBeGreaterThanOrEqual(atLeast);
    });
  },
);
