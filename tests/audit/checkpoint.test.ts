import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPipeline, StoreError } from "../../src/index.js";
import {
  leafHash,
  parseCheckpoint,
  verifyCheckpoint,
  verifyGrowth,
  verifyInclusion,
} from "../../src/verify.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { proveConsistency } from "../../src/model/proof/consistency.js";
import { treeRoot } from "../../src/model/proof/compact-range.js";
import { proveInclusion } from "../../src/model/proof/inclusion.js";
import { chmodSync, writeFileSync } from "node:fs";

let folder: string;
let database: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "synapse-checkpoint-"));
  database = join(folder, "log.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (options: object = {}) => createPipeline({ database, ...options });

function rows(): { seq: number; doc: string; leaf: Buffer }[] {
  const db = new Database(database, { readonly: true });
  try {
    return db.prepare("SELECT seq, doc, leaf FROM events ORDER BY seq").all() as ReturnType<typeof rows>;
  } finally {
    db.close();
  }
}

describe("the tree over the log", () => {
  it("is the RFC 9162 tree of the documents as they stand, at every size and across two processes' turns", async () => {
    const [one, two] = [await open(), await open()];
    for (let i = 0; i < 300; i++) await (i % 3 === 0 ? two : one).audit.emitEvent("x_note", { i });
    await one.close();
    await two.close();
    const log = rows();
    expect(log).toHaveLength(300);
    for (const { doc, leaf } of log) expect(leafHash(Buffer.from(doc))).toEqual(new Uint8Array(leaf));
    const driver = new SqliteDriver(database, { create: false });
    const { size, root } = driver.treeHead();
    expect(size).toBe(300);
    expect(Buffer.from(root)).toEqual(
      Buffer.from(
        treeRoot(
          nodeTreeHasher,
          log.map(({ leaf }) => leaf),
        ),
      ),
    );
    const read = (level: number, index: number) => driver.treeNode(level, index);
    for (const index of [0, 1, 127, 255, 256, 299]) {
      const proof = proveInclusion(nodeTreeHasher, read, index, size);
      verifyInclusion({ leafHash: leafHash(Buffer.from(log[index]?.doc ?? "")), index, size, root, proof });
    }
    driver.close();
  });
});

describe("checkpoints", () => {
  it("are signed by a key made beside the database, readable by its owner alone, and stay valid over restarts", async () => {
    const first = await open();
    await first.audit.emitEvent("x_note", {});
    const older = await first.checkpoint();
    const key = first.verifierKey();
    await first.close();
    expect(statSync(`${database}.key`).mode & 0o777).toBe(0o600);

    const second = await open();
    for (let i = 0; i < 20; i++) await second.audit.emitEvent("x_note", { i });
    const newer = await second.checkpoint();
    expect(second.verifierKey()).toBe(key);
    await second.close();

    const [old, young] = [verifyCheckpoint(older, key), verifyCheckpoint(newer, key)];
    expect([old.size, young.size]).toEqual([1, 21]);
    expect(old.origin).toMatch(/^synapse\.local\/[0-9a-f]{16}$/);
    const driver = new SqliteDriver(database, { create: false });
    verifyGrowth(
      old,
      young,
      proveConsistency(nodeTreeHasher, (l, i) => driver.treeNode(l, i), 1, 21),
    );
    driver.close();
    expect(readFileSync(`${database}.key`, "utf8")).toContain("PRIVATE KEY");
  });

  it("are made on close for what none covers, after so many events, and never twice for one size", async () => {
    const pipeline = await open({ checkpointEvents: 10, checkpointMs: 3_600_000 });
    for (let i = 0; i < 10; i++) await pipeline.audit.emitEvent("x_note", { i });
    const [a, b] = await Promise.all([pipeline.checkpoint(), pipeline.checkpoint()]);
    expect(a).toBe(b);
    await pipeline.audit.emitEvent("x_last", {});
    await pipeline.close();
    const driver = new SqliteDriver(database, { create: false });
    expect(driver.checkpoints(0, 100).map(({ size }) => size)).toEqual([10, 11]);
    driver.close();
  });

  it("follow a signer and an origin of one's own", async () => {
    const { generateKeyPairSync, sign } = await import("node:crypto");
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const signer = {
      keyName: "logs.example/agents",
      publicKey: new Uint8Array(publicKey.export({ type: "spki", format: "der" }).subarray(-32)),
      sign: (message: Uint8Array) => Promise.resolve(new Uint8Array(sign(null, message, privateKey))),
    };
    const pipeline = await open({ signer });
    await pipeline.audit.emitEvent("x_note", {});
    const note = await pipeline.checkpoint();
    expect(verifyCheckpoint(note, pipeline.verifierKey()).origin).toBe("logs.example/agents");
    await pipeline.close();
    expect(() => statSync(`${database}.key`)).toThrow(/ENOENT/);
  });

  it("of a signer that signs with another key are refused, and the log goes on", async () => {
    const warned: string[] = [];
    const signer = {
      keyName: "broken.example",
      publicKey: new Uint8Array(32).fill(7),
      sign: () => Promise.resolve(new Uint8Array(64)),
    };
    const pipeline = await open({
      signer,
      logger: { warn: (_: object, message: string) => void warned.push(message), error: () => undefined },
    });
    await pipeline.audit.emitEvent("x_note", {});
    await expect(pipeline.checkpoint()).rejects.toMatchObject({ code: "invalid_signature" });
    await pipeline.close();
    expect(warned).toEqual(["a checkpoint could not be made"]);
    expect(rows()).toHaveLength(1);
  });

  it("are refused with a key that others may read, or that is no key", async () => {
    const pipeline = await open();
    await pipeline.audit.emitEvent("x_note", {});
    writeFileSync(`${database}.key`, "not a key", { mode: 0o600 });
    await expect(pipeline.checkpoint()).rejects.toMatchObject({ code: "invalid_key" });
    chmodSync(`${database}.key`, 0o644);
    await expect(pipeline.checkpoint()).rejects.toBeInstanceOf(StoreError);
    await expect(pipeline.checkpoint()).rejects.toMatchObject({ code: "insecure_key" });
    await pipeline.close();
  });

  it("in memory are signed by a key that dies with the process", async () => {
    const pipeline = await createPipeline({ database: ":memory:" });
    await pipeline.audit.emitEvent("x_note", {});
    const note = await pipeline.checkpoint();
    expect(parseCheckpoint(note).checkpoint.size).toBe(1);
    expect(verifyCheckpoint(note, pipeline.verifierKey()).size).toBe(1);
    await pipeline.close();
  });
});
