/** Bytes of the database that are not what was written: the auditor names the damage, wherever it matters. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { createPipeline } from "../../src/index.js";
import { DamagedFile } from "./fixtures/damaged-file.js";
import { scratch, synapse } from "./fixtures/fault-world.js";
import { seededRandom } from "./fixtures/random.js";

const blockBytes = 512;

/** A closed log of authority and so many events of outsiders, with a few checkpoints. */
async function logOf(notes: number): Promise<DamagedFile> {
  const database = join(scratch(), "log.db");
  const pipeline = await createPipeline({ database, checkpointEvents: 1_000 });
  await pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "operator" });
  await pipeline.bindingManager.bind({ agentId: "a", capability: "job:run:a", createdBy: "operator" });
  await Promise.all(Array.from({ length: notes }, (_, i) => pipeline.audit.emitEvent("x_note", { i })));
  await pipeline.close();
  return new DamagedFile(database);
}

/** Where in the file everything stands that the log says: documents, leaves, tree, checkpoints, tables. */
function placesThatMatter({ path, whole }: DamagedFile): number[] {
  const db = new Database(path, { readonly: true });
  const values = [
    "SELECT doc FROM events",
    "SELECT leaf FROM events",
    "SELECT hashes FROM tree_head",
    "SELECT hash FROM tree_nodes",
    "SELECT note FROM checkpoints",
    "SELECT value FROM meta",
    "SELECT id FROM authority",
  ].flatMap((sql) => db.prepare(sql).pluck().all() as (string | Buffer)[]);
  db.close();
  return values.flatMap((value) => {
    const bytes = Buffer.from(value as string, "utf8");
    const at = whole.indexOf(bytes);
    expect(at).toBeGreaterThan(0);
    return Array.from(bytes, (_, n) => at + n);
  });
}

describe("a small log", () => {
  it("each flipped bit of what it says is named", { timeout: 300_000 }, async () => {
    const log = await logOf(1);
    const places = placesThatMatter(log);
    expect(places.length).toBeGreaterThan(800);
    for (const at of places)
      for (let bit = 0; bit < 8; bit++) {
        const byte = (log.whole[at] ?? 0) ^ (1 << bit);
        const found = await log.expectNamedOrHarmless(at, byte);
        expect(found, `bit ${bit} of byte ${at}`).toBe("named");
      }
  });

  it(
    "each byte of its file, one bit at random in every 16: named, or all reads the same",
    { timeout: 300_000 },
    async () => {
      const random = seededRandom("flipped bits");
      const log = await logOf(1);
      let named = 0;
      for (let start = 0; start < log.whole.length; start += 16) {
        const at = start + Math.floor(random() * 16);
        const byte = (log.whole[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        if ((await log.expectNamedOrHarmless(at, byte)) === "named") named++;
      }
      expect(named).toBeGreaterThan(100);
    },
  );
});

describe("a log of 2,000 events", () => {
  it(
    "a random byte in every block of 512: named, or all reads the same; the command line says it",
    { timeout: 300_000 },
    async () => {
      const random = seededRandom("corrupt blocks");
      const log = await logOf(2_000);
      const named: [number, number][] = [];
      const harmless: [number, number][] = [];
      for (let start = 0; start < log.whole.length; start += blockBytes) {
        const at = start + Math.floor(random() * blockBytes);
        const byte = ((log.whole[at] ?? 0) + 1 + Math.floor(random() * 255)) % 256;
        const found = await log.expectNamedOrHarmless(at, byte);
        (found === "named" ? named : harmless).push([at, byte]);
      }
      process.stdout.write(`${named.length} blocks named, ${harmless.length} without a meaning\n`);
      expect(named.length).toBeGreaterThan(harmless.length);
      const folder = join(log.path, "..");
      const some = (all: [number, number][], of: number) =>
        all.filter((_, n) => n % Math.ceil(all.length / of) === 0);
      for (const [at, byte] of some(named, 12)) {
        const outcome = await log.with(at, byte, () => synapse(folder, [], "audit", "verify"));
        expect(outcome).toMatchObject({ code: 4, stdout: "" });
        expect(outcome.stderr).toMatch(/^error\[[a-z_]+\]: ./m);
      }
      for (const [at, byte] of some(harmless, 2))
        expect((await log.with(at, byte, () => synapse(folder, [], "audit", "verify"))).code).toBe(0);
    },
  );

  it("two threads say of a random byte in every page what one says", { timeout: 300_000 }, async () => {
    const random = seededRandom("corrupt pages");
    const log = await logOf(2_000);
    let named = 0;
    for (let start = 0; start < log.whole.length; start += 8_192) {
      const at = start + Math.floor(random() * Math.min(8_192, log.whole.length - start));
      const byte = ((log.whole[at] ?? 0) + 1 + Math.floor(random() * 255)) % 256;
      const [one, two] = await log.with(at, byte, async () => [await log.verdict(), await log.verdict(2)]);
      expect(two, `byte ${at} became ${byte}`).toEqual(one);
      if (one?.ok !== true) named++;
    }
    expect(named).toBeGreaterThan(20);
  });

  it("half a page, a page and the whole rest of zeros are named", async () => {
    const log = await logOf(2_000);
    const half = 4_096 * Math.floor(log.whole.length / 4_096 / 2);
    for (const bytes of [2_048, 4_096, log.whole.length - half]) {
      const broken = Buffer.from(log.whole);
      broken.fill(0, half, half + bytes);
      writeFileSync(log.path, broken);
      const outcome = await synapse(join(log.path, ".."), [], "audit", "verify");
      expect(outcome.code).toBe(4);
      expect(outcome.stderr).toMatch(/^error\[[a-z_]+\]: ./m);
    }
  });
});
