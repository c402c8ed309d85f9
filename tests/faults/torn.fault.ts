/** A write-ahead log of which the end is missing, or a sector was never written. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/index.js";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { readyFolder, synapse } from "./fixtures/fault-world.js";
import { expectRecovery, expectVerified, putWhatWasDone } from "./fixtures/recovery.js";

/** SQLite's file format, 4: a header, then frames of a header and a page each. */
const headerBytes = 32;
const frameBytes = 24 + 4_096;
const sectorBytes = 512;

interface Torn {
  readonly folder: string;
  readonly base: Buffer;
  readonly wal: Buffer;
  readonly final: readonly AuditEvent[];
}

/** A whole run that stands in the write-ahead log alone. */
async function runInWal(): Promise<Torn> {
  const folder = await readyFolder();
  // As long as somebody reads, closing brings nothing over into the database.
  const reader = new Database(join(folder, "log.db"));
  reader.prepare("SELECT count(*) FROM events").get();
  expect(await synapse(folder, [], "run", "w.yaml")).toMatchObject({ code: 0 });
  const [base, wal] = [readFileSync(join(folder, "log.db")), readFileSync(join(folder, "log.db-wal"))];
  reader.close();
  expect((wal.length - headerBytes) % frameBytes).toBe(0);
  return { folder, base, wal, final: expectSoundLog(folder, "") };
}

function put({ folder, base }: Torn, wal: Buffer): void {
  rmSync(join(folder, "log.db-shm"), { force: true });
  writeFileSync(join(folder, "log.db"), base);
  writeFileSync(join(folder, "log.db-wal"), wal);
}

/** Every length near the edge of a frame, and of the last three frames one in 61 as well. */
function lengths({ wal }: Torn): number[] {
  const found = new Set<number>();
  const last = wal.length - 3 * frameBytes;
  for (let edge = headerBytes; edge <= wal.length; edge += frameBytes) {
    const near = edge >= last ? 26 : 1;
    for (let n = -near; n <= near; n++) found.add(edge + n);
  }
  for (let length = last; length < wal.length; length += 61) found.add(length);
  for (let length = 0; length < headerBytes; length++) found.add(length);
  return [...found].filter((length) => length <= wal.length).sort((a, b) => a - b);
}

describe("torn writes", () => {
  it(
    "cut at any length, what is left is a whole log of fewer transactions, and the run goes on",
    { timeout: 240_000 },
    async () => {
      const torn = await runInWal();
      const seen = new Map<number, number>();
      for (const length of lengths(torn)) {
        put(torn, torn.wal.subarray(0, length));
        const events = expectSoundLog(torn.folder, "");
        expect(events).toEqual(torn.final.slice(0, events.length));
        // A longer log never holds less.
        expect(events.length).toBeGreaterThanOrEqual(Math.max(0, ...seen.keys()));
        seen.set(events.length, length);
      }
      expect(Math.max(...seen.keys())).toBe(torn.final.length);
      expect(seen.size).toBeGreaterThan(8);
      for (const length of seen.values()) {
        put(torn, torn.wal.subarray(0, length));
        const events = await expectVerifiedPrefix(torn);
        putWhatWasDone(torn.folder, events);
        await expectRecovery(torn.folder, { stdout: "" });
      }
    },
  );

  it("a sector of the last transactions that was never written takes them away whole", async () => {
    const torn = await runInWal();
    const sizes = new Set<number>();
    for (let at = torn.wal.length - sectorBytes; at > torn.wal.length - 12 * frameBytes; at -= sectorBytes) {
      const wal = Buffer.from(torn.wal);
      // What stood there before: anything but what belongs there.
      wal.fill(0xa5, at, at + sectorBytes);
      put(torn, wal);
      sizes.add((await expectVerifiedPrefix(torn)).length);
    }
    expect(sizes.size).toBeGreaterThan(1);
  });
});

async function expectVerifiedPrefix({ folder, final }: Torn): Promise<AuditEvent[]> {
  const events = expectSoundLog(folder, "");
  expect(events).toEqual(final.slice(0, events.length));
  await expectVerified(folder);
  return events;
}
