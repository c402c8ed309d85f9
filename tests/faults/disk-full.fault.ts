/** A file or a disk that takes no more. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { durableLines, newFolder, readyFolder, synapse, timesActed } from "./fixtures/fault-world.js";
import { expectRecovery, expectVerified } from "./fixtures/recovery.js";
import { canMount } from "./fixtures/tools.js";

const run = (folder: string, front: readonly string[] = []) =>
  synapse(folder, front, "run", "w.yaml", "--json");

/** So many KiB in all, under a folder of its own. */
function smallDisk(folder: string, kib: number): string {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", disk]);
  onTestFinished(() => void execFileSync("umount", [disk]));
  for (const name of ["p.yaml", "w.yaml"]) copyFileSync(join(folder, name), join(disk, name));
  return disk;
}

/** Leaves so many KiB free. */
function fill(disk: string, kib: number): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, "ballast"), Buffer.alloc(bavail * bsize - kib * 1_024));
}

describe("a file that may not grow further (a real short write, then EFBIG)", () => {
  it.each([160, 200, 240, 270])("%s blocks: recorded up to there, and it goes on", async (blocks) => {
    const folder = await readyFolder();
    const limited = await run(folder, ["sh", "-c", `trap "" XFSZ; ulimit -f ${blocks}; exec "$@"`, "sh"]);
    // Refused, or begun and not brought to its end: by where the edge was met.
    expect([1, 3]).toContain(limited.code);
    expect(limited.stdout + limited.stderr).toContain("audit_unavailable");
    await expectRecovery(folder, limited);
  });
});

describe.skipIf(!canMount)("a disk that is full", () => {
  it("with less than is kept for what runs already, nothing begins; with room again it goes on", async () => {
    const disk = smallDisk(newFolder(), 3_072);
    expect((await synapse(disk, [], "policy", "apply", "p.yaml")).code).toBe(0);
    fill(disk, 450);
    const full = await run(disk);
    expect(full).toMatchObject({ code: 1 });
    expect(full.stderr).toContain("error[audit_unavailable]");
    expect(timesActed(disk)).toBe(0);
    // Authority can still be taken away: that is what the rest is for.
    expect((await synapse(disk, [], "suspend", "--agent", "other", "--by", "ops")).code).toBe(0);
    rmSync(join(disk, "ballast"));
    expect(await run(disk)).toMatchObject({ code: 0 });
    expect(timesActed(disk)).toBe(1);
    expectSoundLog(disk, durableLines(full.stdout));
  });

  it("to the last byte: refused, nothing is lost, and with room again it goes on", async () => {
    const disk = smallDisk(newFolder(), 1_024);
    expect((await synapse(disk, [], "policy", "apply", "p.yaml")).code).toBe(0);
    const before = expectSoundLog(disk, "");
    fill(disk, 0);
    const full = await run(disk);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^error\[[a-z_]+\]: ./m);
    expect(durableLines(full.stdout)).toBe("");
    rmSync(join(disk, "ballast"));
    expect(expectSoundLog(disk, "")).toEqual(before);
    await expectVerified(disk);
  });
});
