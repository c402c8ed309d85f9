/** SIGKILL at the entry of each call that writes, syncs, cuts, links or removes: call k is the first not done. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newFolder, synapse, timesActed } from "./fixtures/fault-world.js";
import { expectRecovery, expectShortTail } from "./fixtures/recovery.js";
import { canTrace } from "./fixtures/tools.js";

/** More than a run makes of any call; the loop ends where the run ends by itself. */
const killsMax = 600;

/** A question mark: not every machine has the older of two calls. */
const kinds = {
  write: "pwrite64",
  sync: "fsync,fdatasync",
  cut: "ftruncate,?truncate,fallocate",
  rename: "?rename,?renameat,?renameat2",
  link: "?link,linkat",
  remove: "?unlink,unlinkat",
} as const;

/** From an empty folder: the database, its tables, its key, the policy and the run are all made under fire. */
const wholeRun = ["run", "w.yaml", "--policy", "p.yaml", "--json"] as const;

/** Kills a run at the k-th call, and says whether it ended before that. */
async function killAt(calls: string, k: number): Promise<boolean> {
  const folder = newFolder();
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:signal=SIGKILL:when=${k}`];
  const front = ["strace", "-f", "-qq", ...inject, "-o", join(folder, "trace")];
  const ended = await synapse(folder, front, ...wholeRun);
  if (ended.code !== null) expect(ended.stderr).toBe("");
  const { atFault, status } = await expectRecovery(folder, ended);
  expectShortTail(ended, atFault);
  if (status === undefined) {
    // Nothing of the run was durable: it is begun as if there had been none.
    expect(await synapse(folder, [], ...wholeRun)).toMatchObject({ code: 0 });
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

/** How often a run makes each kind of call, and the ordinals of the `write`s that make the key. */
async function unharmed(): Promise<{ readonly made: ReadonlyMap<string, number>; readonly keyWrites: number[] }> {
  const folder = newFolder();
  const trace = `trace=write,${Object.values(kinds).join(",")}`;
  const front = ["strace", "-f", "-y", "-qq", "-s", "8", "-e", trace, "-o", join(folder, "trace")];
  expect(await synapse(folder, front, ...wholeRun)).toMatchObject({ code: 0 });
  const lines = readFileSync(join(folder, "trace"), "utf8").split("\n");
  const made = new Map<string, number>();
  for (const [kind, calls] of Object.entries(kinds)) {
    const names = calls.replaceAll("?", "").split(",");
    made.set(kind, lines.filter((line) => names.some((name) => line.includes(` ${name}(`))).length);
  }
  // strace counts for each thread, and the main one makes the key.
  const main = lines[0]?.split(" ")[0] ?? "";
  const writes = lines.filter((line) => line.startsWith(`${main} `) && line.includes(" write("));
  const keyWrites = writes.flatMap((line, n) => (line.includes("log.db.key") ? [n + 1] : []));
  return { made, keyWrites };
}

describe.skipIf(!canTrace)("kill -9 at every call in turn, until a run that starts with nothing ends by itself", () => {
  it.each(Object.entries(kinds))("%s", { timeout: 300_000 }, async (kind, calls) => {
    const { made } = await unharmed();
    const expected = made.get(kind) ?? 0;
    const kills = await killInTurn(calls);
    process.stdout.write(`${kind} (${calls}): ${kills === 0 ? "no such call in a run" : `${kills} kills`}\n`);
    // A sync more or less, as effects share a transaction or do not.
    expect(kills === 0).toBe(expected === 0);
    expect(kills).toBeGreaterThanOrEqual(expected / 2);
  });

  it("the write of the signing key, and those around it", async () => {
    const { keyWrites } = await unharmed();
    expect(keyWrites).toHaveLength(1);
    const [made = 0] = keyWrites;
    const around = [made - 1, made, made + 1, made + 2];
    await Promise.all(around.map((k) => killAt("write", k)));
  });
});
