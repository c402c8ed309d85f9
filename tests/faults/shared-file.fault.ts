/** One log, and others at it: a second writer, one that holds the lock, one that takes the file away or puts an old one back. */
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { gather } from "../stores/fixtures/process.js";
import { durableLines, type Ended, readyFolder, synapse, timesActed } from "./fixtures/fault-world.js";
import { expectVerified } from "./fixtures/recovery.js";

const holder = fileURLToPath(new URL("fixtures/holder.mjs", import.meta.url));

const run = (folder: string, ...more: readonly string[]) =>
  synapse(folder, [], "run", "w.yaml", "--json", ...more);

/** Another process that holds the log's lock until it is told to let go. */
async function holdLock(folder: string): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [holder, join(folder, "log.db")], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { said, ended } = gather(child);
  await said("held");
  return async () => {
    child.stdin.end();
    expect(await ended).toMatchObject({ code: 0 });
  };
}

describe("two writers on one log", () => {
  it("take turns: both runs complete, and every event that either was told of is there once", async () => {
    const folder = await readyFolder();
    const both = await Promise.all([run(folder), run(folder), run(folder)]);
    for (const { code } of both) expect(code).toBe(0);
    const said = both.map(({ stdout }) => durableLines(stdout)).join("");
    const events = expectSoundLog(folder, said);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(timesActed(folder)).toBe(3);
    await expectVerified(folder);
  });

  it("wait for one that holds the lock, and go on when it lets go", async () => {
    const folder = await readyFolder();
    const release = await holdLock(folder);
    const running = run(folder);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await release();
    expect((await running).code).toBe(0);
    expectSoundLog(folder, durableLines((await running).stdout));
  });

  it("give up after a bounded time, by name, with nothing run; a reader is not kept waiting", async () => {
    const folder = await readyFolder();
    const release = await holdLock(folder);
    const before = (await synapse(folder, [], "audit", "list", "--json")).stdout;
    const refused = await run(folder);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^error\[audit_unavailable\]: .*another process kept the log locked/m);
    expect(refused.stderr).toMatch(/^hint: ./m);
    expect(timesActed(folder)).toBe(0);
    await release();
    expect((await synapse(folder, [], "audit", "list", "--json")).stdout).toBe(before);
    expect((await run(folder)).code).toBe(0);
  });
});

describe("the file is taken away in the middle of a run, by a program that the run itself starts", () => {
  const takeAway = [
    ["deleted", "rm log.db log.db-wal log.db-shm"],
    ["replaced by a copy", "cp log.db other && mv other log.db"],
  ] as const;

  it.each(takeAway)("%s: nothing more runs, and it says so", async (_name, command) => {
    const folder = await readyFolder();
    writeFileSync(
      join(folder, "w.yaml"),
      `name: taken
steps:
  - { id: take, agent: scribe, action: process.run, on_error: continue, with: { program: sh, args: ["-c", "${command}"] } }
  - { id: act, agent: scribe, action: process.run, needs: [take], on_error: continue, on_denied: continue, with: { program: sh, args: ["-c", "echo acted >> did"] } }
`,
    );
    const ended = await run(folder);
    expect(ended.code).not.toBe(0);
    expect(ended.stdout + ended.stderr).toContain("audit_unavailable");
    expect(timesActed(folder)).toBe(0);
    const said = durableLines(ended.stdout);
    expect(said).not.toBe("");
    // What was told of before is all that was told: nothing was acknowledged into a file that nobody can find.
    expect(ended.stdout).not.toContain('"step_id":"act","status":"completed"');
  });
});

describe("yesterday's folder is put back", () => {
  const files = ["log.db", "log.db.key"];

  it("a checkpoint that was kept elsewhere exposes it, and an anchor keeps every step from running", async () => {
    const folder = await readyFolder();
    const anchored = ["--anchor", "anchor"] as const;
    expect((await run(folder, ...anchored)).code).toBe(0);
    const yesterday = join(folder, "yesterday");
    for (const name of files) cpSync(join(folder, name), join(yesterday, name));
    // Today authority was taken away.
    expect((await synapse(folder, [], "suspend", "--agent", "scribe", "--by", "ops", ...anchored)).code).toBe(
      0,
    );
    const { stdout: kept } = await synapse(folder, [], "audit", "checkpoint");
    writeFileSync(join(folder, "kept"), kept);
    const verify = (): Promise<Ended> => synapse(folder, [], "audit", "verify", "--against", "kept");
    expect((await verify()).code).toBe(0);

    for (const name of ["log.db-wal", "log.db-shm"]) rmSync(join(folder, name), { force: true });
    for (const name of files) {
      copyFileSync(join(yesterday, name), join(folder, `${name}.back`));
      renameSync(join(folder, `${name}.back`), join(folder, name));
    }
    // By itself it is whole: nothing inside can say what is missing.
    expect((await synapse(folder, [], "audit", "verify")).code).toBe(0);
    const exposed = await verify();
    expect(exposed.code).toBe(4);
    expect(exposed.stderr).toMatch(/^error\[checkpoint_behind\]: the log has \d+ events and had \d+ before/m);

    const acted = timesActed(folder);
    const before = readFileSync(join(folder, "anchor"), "utf8");
    const refused = await run(folder, ...anchored);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout + refused.stderr).toMatch(/audit_unavailable/);
    expect(refused.stdout + refused.stderr).toMatch(/the log is behind its anchor/);
    expect(timesActed(folder)).toBe(acted);
    expect(readFileSync(join(folder, "anchor"), "utf8")).toBe(before);
  });
});
