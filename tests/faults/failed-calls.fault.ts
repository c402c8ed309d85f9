/** Calls that fail, once and for good, or that lie: nothing that depended on them is given out. */
import { describe, expect, it } from "vitest";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { durableLines, readyFolder, synapse } from "./fixtures/fault-world.js";
import { expectRecovery, expectVerified } from "./fixtures/recovery.js";
import { expectInjected, fault } from "./fixtures/strace.js";
import { canTrace } from "./fixtures/tools.js";

/** All but the memory that processes share: what SQLite writes there is no data. */
const data = ["log.db", "log.db-wal", "log.db.key"];

const faults = [
  ["fsync fails once, early", "fsync,fdatasync", "error=EIO:when=2"],
  ["fsync fails once, in the middle", "fsync,fdatasync", "error=EIO:when=6"],
  ["fsync fails once, late", "fsync,fdatasync", "error=EIO:when=11"],
  ["fsync fails for good", "fsync,fdatasync", "error=EIO:when=4+"],
  ["the disk is full for two writes", "pwrite64", "error=ENOSPC:when=40..41"],
  ["the disk is full for every second write", "pwrite64", "error=ENOSPC:when=2+2"],
  ["the disk is full for good", "pwrite64", "error=ENOSPC:when=40+"],
  ["a write fails for good", "pwrite64", "error=EIO:when=90+"],
  ["a write says it wrote a part, and wrote nothing", "pwrite64", "retval=4:when=40"],
  ["the file cannot be cut", "ftruncate", "error=EIO:when=1+"],
  ["files cannot be removed", "?unlink,unlinkat", "error=EIO:when=1+"],
] as const;

describe.skipIf(!canTrace)("calls that fail", () => {
  it.each(faults)("%s", async (_name, calls, what) => {
    const folder = await readyFolder();
    const front = fault(folder, calls, what, data);
    const ended = await synapse(folder, front, "run", "w.yaml", "--json");
    expect(ended.code).not.toBeNull();
    expectInjected(folder);
    const { status } = await expectRecovery(folder, ended);
    if (ended.code === 0) expect(status).toBe("completed");
    // The disk is well again: so is everything on it.
    const next = await synapse(folder, [], "run", "w.yaml", "--json");
    expect(next.code).toBe(0);
    expectSoundLog(folder, durableLines(ended.stdout + next.stdout));
    await expectVerified(folder);
  });
});
