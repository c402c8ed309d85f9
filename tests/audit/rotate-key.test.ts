/** Replacing the key: nobody who trusted the old one is left behind, and it signs nothing afterwards. */
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../src/core/node-crypto.js";
import { keyOf } from "../../src/core/signer-rotation.js";
import { fileSigner } from "../../src/core/signing-key.js";
import { nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { createPipeline } from "../../src/index.js";
import { printCheckpoint } from "../../src/model/proof/checkpoint.js";
import { treeRoot } from "../../src/model/proof/compact-range.js";
import { noteMessage } from "../../src/model/proof/note.js";
import { signedNote } from "../../src/model/proof/verifier-key.js";
import { parseCheckpoint, verifyCheckpoint } from "../../src/verify.js";
import { document, expectRefusal, folder, synapse } from "../cli/invoke.js";
import { verdictOf } from "./fixtures/logs.js";

const run = (cwd: string, ...argv: string[]) => synapse({ cwd }, ...argv, "--db", "log.db");
const note = (cwd: string, agent: string) => run(cwd, "suspend", "--agent", agent, "--by", "ops");
const key = async (cwd: string) => (await run(cwd, "audit", "key")).stdout.trim();
const rotate = (cwd: string) => run(cwd, "audit", "rotate-key", "--by", "ada", "--json");
const verify = (cwd: string, ...argv: string[]) => run(cwd, "audit", "verify", "--json", ...argv);

async function rotated() {
  const cwd = folder();
  await note(cwd, "a");
  const kept = (await run(cwd, "audit", "checkpoint")).stdout;
  const old = await key(cwd);
  copyFileSync(join(cwd, "log.db.key"), join(cwd, "stolen"));
  const { old_vkey, new_vkey, seq } = document(await rotate(cwd)) as {
    old_vkey: string;
    new_vkey: string;
    seq: number;
  };
  expect(old_vkey).toBe(old);
  writeFileSync(join(cwd, "kept"), kept);
  return { cwd, old, fresh: new_vkey, seq };
}

describe("synapse audit rotate-key", () => {
  test("the checkpoint that ends with it is signed by both keys, the next by the new one alone", async () => {
    const { cwd, old, fresh, seq } = await rotated();
    expect(await key(cwd)).toBe(fresh);
    expect(statSync(join(cwd, "log.db.key")).mode & 0o777).toBe(0o600);
    const both = (await run(cwd, "audit", "checkpoint")).stdout;
    expect(parseCheckpoint(both).checkpoint.size).toBe(seq);
    for (const vkey of [old, fresh]) expect(verifyCheckpoint(both, vkey).size).toBe(seq);
    await note(cwd, "b");
    const next = (await run(cwd, "audit", "checkpoint")).stdout;
    expect(verifyCheckpoint(next, fresh).size).toBe(seq + 1);
    expect(() => verifyCheckpoint(next, old)).toThrow(/not signed by a key that is known/);
  });

  test("whoever knows the old or the new key verifies the whole log, also after several", async () => {
    const { cwd, old, fresh } = await rotated();
    await note(cwd, "b");
    const last = document(await rotate(cwd))["new_vkey"] as string;
    await note(cwd, "c");
    for (const vkey of [old, fresh, last]) {
      const outcome = await verify(cwd, "--key", vkey, "--against", "kept");
      expect(verdictOf(outcome)).toMatchObject({ ok: true, problems: [] });
    }
    expect((await verify(cwd)).code).toBe(0);
    expect((await run(cwd, "audit", "consistency", "kept", "--key", last)).code).toBe(0);
    expect((await run(cwd, "audit", "export", "out")).code).toBe(0);
    expect((await verify(cwd, "--export", "out", "--key", last)).code).toBe(0);
  });

  test("an export is compared with a checkpoint that a replaced key signed, and shows one that was forged", async () => {
    const { cwd, old, fresh } = await rotated();
    await note(cwd, "b");
    const last = document(await rotate(cwd))["new_vkey"] as string;
    await note(cwd, "c");
    await run(cwd, "audit", "export", "out");
    const against = (file: string, vkey: string) =>
      verify(cwd, "--export", "out", "--key", vkey, "--against", file);
    expect(verdictOf(await against("kept", last))).toMatchObject({ ok: true, checkpoints: 2 });
    const stolen = fileSigner(join(cwd, "stolen"), old.slice(0, old.indexOf("+")));
    const sign = (size: number, root: Uint8Array, signer = stolen) => {
      const text = printCheckpoint({ origin: signer.keyName, size, root, extensions: [] });
      return signedNote(nodeCrypto, text, keyOf(signer), signer.signNow(noteMessage(text)));
    };
    const { size, root } = parseCheckpoint(readFileSync(join(cwd, "kept"))).checkpoint;
    const forgeries: readonly (readonly [string, string])[] = [
      [sign(size, new Uint8Array(32)), "root_mismatch"],
      // By the old key, of a size at which it was not in force any more.
      [sign(4, root), "unknown_key"],
      [sign(99, root), "unknown_key"],
      [sign(size, root, fileSigner(join(cwd, "stranger"), stolen.keyName)), "unknown_key"],
    ];
    for (const [forged, code] of forgeries) {
      writeFileSync(join(cwd, "forged"), forged);
      const outcome = await against("forged", last);
      expect(outcome.code).toBe(4);
      expect(verdictOf(outcome).problems).toMatchObject([{ code }]);
    }
    // With a key that was replaced the export itself cannot be opened: it says which one signed it.
    const replaced = await run(cwd, "audit", "verify", "--export", "out", "--key", fresh);
    expect(replaced.code).toBe(4);
    expect(replaced.stderr).toMatch(/^error\[unknown_key\].*\nhint: it carries signatures by/m);
  });

  test("the old key signs nothing after it", async () => {
    const { cwd, old } = await rotated();
    copyFileSync(join(cwd, "stolen"), join(cwd, "log.db.key"));
    await note(cwd, "b");
    expectRefusal(await run(cwd, "audit", "checkpoint"), 2, "key_not_in_force");
    expectRefusal(await rotate(cwd), 2, "key_not_in_force");
    expect((await verify(cwd, "--key", old)).code).toBe(0);
    // Whoever has the old key can sign all the same, and is found out.
    const db = new Database(join(cwd, "log.db"));
    const { size } = db.prepare("SELECT size FROM tree_head").get() as { size: number };
    const leaves = db.prepare("SELECT leaf FROM events ORDER BY seq").pluck().all() as Uint8Array[];
    const stolen = fileSigner(join(cwd, "stolen"), old.slice(0, old.indexOf("+")));
    const root = treeRoot(nodeTreeHasher, leaves);
    const text = printCheckpoint({ origin: stolen.keyName, size, root, extensions: [] });
    const forged = signedNote(nodeCrypto, text, keyOf(stolen), stolen.signNow(noteMessage(text)));
    db.prepare("INSERT INTO checkpoints VALUES (?, ?)").run(size, forged);
    db.close();
    const outcome = await verify(cwd, "--key", old);
    expect(outcome.code).toBe(4);
    expect(verdictOf(outcome).problems[0]).toMatchObject({ code: "unknown_key" });
  });

  test("without its checkpoint by both keys, the rotation is a finding", async () => {
    const { cwd, old, fresh, seq } = await rotated();
    const db = new Database(join(cwd, "log.db"));
    db.prepare("DELETE FROM checkpoints WHERE size = ?").run(seq);
    db.close();
    for (const vkey of [old, fresh]) {
      const outcome = await verify(cwd, "--key", vkey);
      expect(outcome.code).toBe(4);
      expect(verdictOf(outcome).problems[0]).toMatchObject({ code: "unknown_key", seq });
    }
  });

  test("a rotation that was hidden from the list of rotations is a finding, whatever the old key signs", async () => {
    const { cwd, old, seq } = await rotated();
    await note(cwd, "b");
    const file = join(cwd, "log.db");
    const db = new Database(file);
    db.prepare("DELETE FROM key_rotations").run();
    // What the old key did not sign must not stand in the way of what it will.
    db.prepare("DELETE FROM checkpoints WHERE size > ?").run(seq);
    db.close();
    const outcome = await verify(cwd, "--key", old);
    expect(outcome.code).toBe(4);
    expect(verdictOf(outcome).problems[0]).toMatchObject({ code: "unknown_key", seq });
  });

  test("a pipeline that runs meanwhile signs with the new key from then on", async () => {
    const cwd = folder();
    const pipeline = await createPipeline({ database: join(cwd, "log.db") });
    await pipeline.audit.emitEvent("x_note", {});
    await pipeline.checkpoint();
    const fresh = document(await rotate(cwd))["new_vkey"] as string;
    await pipeline.audit.emitEvent("x_note", {});
    expect(verifyCheckpoint(await pipeline.checkpoint(), fresh).size).toBe(3);
    expect(pipeline.verifierKey()).toBe(fresh);
    await pipeline.close();
    expect((await verify(cwd, "--key", fresh)).code).toBe(0);
  });

  test("cut short after the event, it is ended by whoever needs the key next; before it, it never was", async () => {
    const { cwd, fresh } = await rotated();
    const file = join(cwd, "log.db.key");
    writeFileSync(`${file}.next`, readFileSync(file), { mode: 0o600 });
    copyFileSync(join(cwd, "stolen"), file);
    await note(cwd, "b");
    expect(await key(cwd)).toBe(fresh);
    expect((await verify(cwd, "--key", fresh)).code).toBe(0);
    copyFileSync(join(cwd, "stolen"), `${file}.next`);
    await note(cwd, "c");
    expect(await key(cwd)).toBe(fresh);
    expect((await verify(cwd, "--key", fresh)).code).toBe(0);
  });

  test("needs a database and a name", async () => {
    const cwd = folder();
    expectRefusal(await rotate(cwd), 2, "missing_store");
    expectRefusal(await run(cwd, "audit", "rotate-key"), 2, "usage");
  });
});
