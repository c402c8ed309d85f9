/**
 * Loss of power with writes that a disk had in any order: of those since the last sync of their file, any subset may be there.
 */
import { spawn } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { durableLines, readyFolder, synapseCommand, timesActed } from "./fixtures/fault-world.js";
import { seededRandom } from "./fixtures/random.js";
import { expectRecovery, expectVerified, putWhatWasDone } from "./fixtures/recovery.js";
import { tracePaths } from "./fixtures/strace.js";
import { canTrace } from "./fixtures/tools.js";
import {
  applied,
  type FileCall,
  type Files,
  readFolder,
  readTrace,
  writeFolder,
} from "./fixtures/traced-files.js";

const database = ["log.db", "log.db-wal"];
const kept = ["log.db.key", "p.yaml", "w.yaml"];

/** All subsets of so many; of more, so many at random. */
const exhaustiveMax = 8;
const randomSubsets = 200;

interface Recorded {
  readonly folder: string;
  readonly before: Files;
  readonly calls: readonly FileCall[];
}

/** A run, and every call it made on the database's files and on what it said. */
async function record(): Promise<Recorded> {
  const folder = await readyFolder();
  const before = readFolder(folder, database);
  const stdout = openSync(join(folder, "out"), "w");
  const calls = "trace=write,pwrite64,fsync,fdatasync,ftruncate,?unlink,?rename,renameat";
  const whole = ["-f", "-y", "-xx", "-qq", "-s", "65536", "-e", calls, "-o", join(folder, "trace")];
  const front = ["strace", ...whole, ...tracePaths(folder, [...database, "out"])];
  const [program = "", ...args] = synapseCommand(front, "run", "w.yaml", "--json");
  const child = spawn(program, args, { cwd: folder, stdio: ["ignore", stdout, "inherit"] });
  const code = await new Promise((resolve) => child.on("close", resolve));
  closeSync(stdout);
  expect(code).toBe(0);
  return { folder, before, calls: readTrace(readFileSync(join(folder, "trace"), "utf8"), "out") };
}

/** What may be on the disk when the power goes at call `n`: what was synced, and some of the rest. */
function* crashImages({ before, calls }: Recorded, n: number, random: () => number): Iterable<Files> {
  const syncs = new Map<string, number>();
  calls.slice(0, n).forEach((call, at) => {
    if (call.kind === "sync") syncs.set(call.file, at);
  });
  const changes = calls.slice(0, n).flatMap((call, at) => {
    if (call.kind === "sync" || call.kind === "said") return [];
    // No folder is synced after a removal: it may be undone whatever else is synced.
    return [{ call, isSure: call.kind !== "remove" && at < (syncs.get(call.file) ?? -1) }];
  });
  const open = changes.filter(({ isSure }) => !isSure).length;
  const image = (isThere: (openIndex: number) => boolean): Files => {
    let next = 0;
    return applied(
      before,
      changes.filter(({ isSure }) => isSure || isThere(next++)).map(({ call }) => call),
    );
  };
  if (open <= exhaustiveMax) {
    for (let subset = 0; subset < 2 ** open; subset++) yield image((index) => (subset & (1 << index)) !== 0);
    return;
  }
  yield image(() => false);
  yield image(() => true);
  for (let i = 2; i < randomSubsets; i++) {
    // Some are nearly empty, some nearly full.
    const share = random();
    yield image(() => random() < share);
  }
}

describe.skipIf(!canTrace)("writes that were not synced, in any order and number", () => {
  it(
    "every one of them is a log with all that was said and a run that can be gone on with",
    { timeout: 300_000 },
    async () => {
      const random = seededRandom("reorder");
      const recorded = await record();
      const { folder, calls, before } = recorded;
      const others = readFolder(folder, kept);
      // The trace is whole: what it gives is what is there.
      expect(applied(before, calls)).toEqual(readFolder(folder, database));
      const final = expectSoundLog(folder, "");
      const acted = timesActed(folder);
      expect(acted).toBe(1);
      const syncs = calls.flatMap((call, n) => (call.kind === "sync" ? [n] : []));
      expect(syncs.length).toBeGreaterThan(8);
      // In memory: what is asked of each image is how it is read, and it is synced many times over meanwhile.
      const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
      const at = mkdtempSync(join(memory, "synapse-image-"));
      const resumed = new Set<number>();
      let images = 0;
      try {
        for (const n of [...syncs, calls.length]) {
          const said = calls.slice(0, n).map((call) => (call.kind === "said" ? call.text : ""));
          const stdout = said.join("");
          for (const files of crashImages(recorded, n, random)) {
            images++;
            writeFolder(at, new Map([...others, ...files]));
            const events = expectSoundLog(at, durableLines(stdout));
            expect(events).toEqual(final.slice(0, events.length));
            if (resumed.has(events.length)) continue;
            // One of each length is gone on with, in the folder that its run was started in.
            resumed.add(events.length);
            await expectVerified(at);
            rmSync(folder, { recursive: true });
            cpSync(at, folder, { recursive: true });
            putWhatWasDone(folder, events);
            await expectRecovery(folder, { stdout });
          }
        }
      } finally {
        rmSync(at, { recursive: true, force: true });
      }
      process.stdout.write(`${images} images after ${syncs.length} syncs, ${resumed.size} different logs\n`);
      expect(resumed.size).toBeGreaterThan(5);
    },
  );
});
