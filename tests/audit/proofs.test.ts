/** Proofs that leave the machine: what they prove to whom, and what is refused. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPipeline } from "../../src/index.js";
import type { ProofDocument } from "../../src/verify.js";
import { parseCheckpoint, verifyCheckpoint } from "../../src/verify.js";
import { document, expectRefusal, folder as emptyFolder, synapse } from "../cli/invoke.js";
import { testKey } from "../proof/fixtures/keys.js";
import { copyOf, prepared, verdictOf } from "./fixtures/logs.js";

let source: Awaited<ReturnType<typeof prepared>>;
beforeAll(async () => {
  source = await prepared();
});
afterAll(() => source.remove());

const copy = () => copyOf(source.folder);
const keyOf = async (log: ReturnType<typeof copy>) => (await log.run("audit", "key")).stdout.trim();

describe("synapse audit checkpoint and key", () => {
  test("print the signed note, or the key, and nothing else", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const checkpoint = await log.run("audit", "checkpoint");
    expect(checkpoint).toMatchObject({ code: 0, stderr: "" });
    const { size, origin } = verifyCheckpoint(checkpoint.stdout, vkey);
    expect(size).toBe(log.get<{ n: number }>("SELECT count(*) AS n FROM events").n);
    expect(document(await log.run("audit", "checkpoint", "--json"))).toMatchObject({
      origin,
      size,
      note: checkpoint.stdout,
    });
    expect(document(await log.run("audit", "key", "--json"))).toEqual({ vkey });
  });

  test("need a database that is there", async () => {
    const cwd = emptyFolder();
    for (const command of ["checkpoint", "key"])
      expectRefusal(await synapse({ cwd }, "audit", command), 2, "missing_store");
  });
});

describe("synapse audit prove and check-proof", () => {
  test("prove an event, by number or id, to somebody who has the key and no database", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    for (const seq of [1, 5, 100]) {
      const proof = await log.run("audit", "prove", String(seq));
      expect(proof).toMatchObject({ code: 0, stderr: expect.stringContaining(vkey) as string });
      expect(proof.stderr).toMatch(/^note: checked with the key of this machine, [^\n]*\n$/);
      const { event } = JSON.parse(proof.stdout) as ProofDocument;
      expect((await log.run("audit", "prove", event["id"] as string)).stdout).toBe(proof.stdout);
      const cwd = emptyFolder({ "proof.json": proof.stdout });
      const checked = await synapse({ cwd }, "audit", "check-proof", "proof.json", "--key", vkey, "--json");
      expect(checked).toMatchObject({ code: 0, stderr: "" });
      expect(document(checked)).toMatchObject({ ok: true, authenticated: true, event });
      expect(readdirSync(cwd)).toEqual(["proof.json"]);
    }
  });

  test("by id only the block is looked through whose ids lie around it, and an edited one proves no other event", async () => {
    const log = copy();
    const { doc } = log.get<{ doc: string }>("SELECT doc FROM events WHERE seq = 5");
    const { id } = JSON.parse(doc) as { id: string };
    const other = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    expectRefusal(await log.run("audit", "prove", other), 2, "not_found");
    log.sql(`UPDATE event_ids SET first = '${id}0' WHERE block = 0`);
    expectRefusal(await log.run("audit", "prove", id), 2, "not_found");
    log.sql(`UPDATE event_ids SET first = '' WHERE block = 0`);
    log.sql(`UPDATE events SET doc = replace(doc, '${id}', '${other}') WHERE seq = 5`);
    expectRefusal(await log.run("audit", "prove", other), 4, "root_mismatch");
  });

  test("an event that no checkpoint covers yet gets one", async () => {
    const log = copy();
    const before = log.get<{ n: number }>("SELECT max(size) AS n FROM checkpoints").n;
    log.sql("DELETE FROM checkpoints");
    const { checkpoint } = JSON.parse(
      (await log.run("audit", "prove", String(before))).stdout,
    ) as ProofDocument;
    expect(parseCheckpoint(checkpoint).checkpoint.size).toBe(before);
  });

  test("a changed event, place or checkpoint, another key: exit 4", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const proof = JSON.parse((await log.run("audit", "prove", "5")).stdout) as ProofDocument;
    const origin = vkey.slice(0, vkey.indexOf("+"));
    const check = (document: object, key = vkey) =>
      synapse(
        { cwd: emptyFolder({ "p.json": JSON.stringify(document) }) },
        "audit",
        "check-proof",
        "p.json",
        "--key",
        key,
      );
    expectRefusal(
      await check({ ...proof, event: { ...proof.event, agent_id: "other" } }),
      4,
      "root_mismatch",
    );
    expectRefusal(await check({ ...proof, index: 5 }), 4, "root_mismatch");
    expectRefusal(await check({ ...proof, more: 1 }), 4, "malformed_proof");
    expectRefusal(await check(proof, testKey(origin, 5).vkey), 4, "unknown_key");
    expectRefusal(await check(proof, testKey("other.example", 5).vkey), 4, "unknown_key");
  });

  test("without a key it is UNAUTHENTICATED: exit 4, unless asked to go on", async () => {
    const log = copy();
    const { stdout } = await log.run("audit", "prove", "5");
    const cwd = emptyFolder({ "p.json": stdout, "bad.json": stdout.replace('"index":4', '"index":3') });
    expectRefusal(
      await synapse({ cwd }, "audit", "check-proof", "p.json"),
      4,
      "unauthenticated",
      /UNAUTHENTICATED/,
    );
    const shown = await synapse({ cwd }, "audit", "check-proof", "p.json", "--unauthenticated", "--json");
    expect(shown.code).toBe(0);
    expect(shown.stderr).toMatch(/^note: UNAUTHENTICATED/);
    expect(document(shown)).toMatchObject({ ok: true, authenticated: false });
    expectRefusal(
      await synapse({ cwd }, "audit", "check-proof", "bad.json", "--unauthenticated"),
      4,
      "root_mismatch",
    );
  });

  test("an event that is not there is a matter of usage; one that was changed gets no proof", async () => {
    const log = copy();
    expectRefusal(await log.run("audit", "prove", "99999"), 2, "not_found");
    expectRefusal(await log.run("audit", "prove", "evt_none"), 2, "not_found");
    log.sql(`UPDATE events SET doc = replace(doc, '"agent_id":"a"', '"agent_id":"z"') WHERE seq = 5`);
    expectRefusal(await log.run("audit", "prove", "5"), 4, "root_mismatch");
  });
});

describe("synapse audit consistency", () => {
  test("says that the log grew out of a checkpoint, and proves it", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const { stdout: note } = await log.run("audit", "checkpoint");
    writeFileSync(join(log.folder, "old"), note);
    for (const agent of ["x", "y"]) await log.run("suspend", "--agent", agent, "--by", "ops");
    const outcome = await log.run("audit", "consistency", "old", "--key", vkey, "--json");
    expect(outcome.code).toBe(0);
    const { size } = parseCheckpoint(note).checkpoint;
    expect(document(outcome)).toMatchObject({ ok: true, old_size: size, new_size: size + 2 });
    expect(outcome.stderr).toBe("");
    expect(document(outcome)).toMatchObject({ key: vkey, own_key: false });
    const own = await log.run("audit", "consistency", "old");
    expect(own.stdout).toMatch(/by appending alone/);
    expect(own.stderr).toContain(`note: checked with the key of this machine, ${vkey}`);
    expect(document(await log.run("audit", "consistency", "old", "--json"))).toMatchObject({
      key: vkey,
      own_key: true,
    });
  });

  test("a checkpoint of more than there is, of another history, or by another key: exit 4", async () => {
    const log = copy();
    const older = log.bytes();
    await log.run("suspend", "--agent", "x", "--by", "ops");
    writeFileSync(join(log.folder, "old"), (await log.run("audit", "checkpoint")).stdout);
    writeFileSync(log.database, older);
    for (const suffix of ["-wal", "-shm"]) rmSync(log.database + suffix, { force: true });
    expectRefusal(await log.run("audit", "consistency", "old"), 4, "checkpoint_behind");
    await log.run("suspend", "--agent", "somebody-else", "--by", "ops");
    expectRefusal(await log.run("audit", "consistency", "old"), 4, "root_mismatch");
    writeFileSync(join(log.folder, "forged"), testKey("other.example", 1).checkpoint(1, new Uint8Array(32)));
    expectRefusal(await log.run("audit", "consistency", "forged"), 4, "unknown_key");
    writeFileSync(join(log.folder, "garbage"), "garbage");
    expectRefusal(await log.run("audit", "consistency", "garbage"), 4, "malformed_note");
    expectRefusal(await log.run("audit", "consistency", "none"), 2, "unreadable_file");
  });
});

describe("synapse audit export", () => {
  const files = (folder: string) =>
    (readdirSync(folder, { recursive: true }) as string[])
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort();

  test("is verified by who has the folder and the key, with no database near", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const exported = document(await log.run("audit", "export", "out", "--json"));
    const out = join(log.folder, "out");
    expect(readFileSync(join(out, "vkey"), "utf8")).toBe(`${vkey}\n`);
    expect(files(out).some((name) => name.includes(".tmp-"))).toBe(false);
    const cwd = emptyFolder();
    const outcome = await synapse({ cwd }, "audit", "verify", "--export", out, "--key", vkey, "--json");
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(verdictOf(outcome)).toMatchObject({ ok: true, events: exported["size"], problems: [] });
    expect(verdictOf(outcome).root).toBe(verdictOf(await log.verify()).root);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("without a key it is UNAUTHENTICATED: exit 4, unless asked to go on with the key inside", async () => {
    const log = copy();
    await log.run("audit", "export", "out");
    expect(await log.run("audit", "verify", "--export", "out")).toMatchObject({ code: 4, stdout: "" });
    const bare = await log.verify("--export", "out");
    expect(bare.code).toBe(4);
    expect(verdictOf(bare).problems[0]?.code).toBe("unauthenticated");
    const shown = await log.verify("--export", "out", "--unauthenticated");
    expect(shown).toMatchObject({ code: 0 });
    expect(shown.stderr).toMatch(/^note: UNAUTHENTICATED/);
  });

  test("goes on where it was: full tiles stay untouched, also after a kill before the checkpoint", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const pipeline = await createPipeline({ database: log.database });
    await Promise.all(Array.from({ length: 300 }, (_, i) => pipeline.audit.emitEvent("x_more", { i })));
    await pipeline.close();
    await log.run("audit", "export", "out");
    const out = join(log.folder, "out");
    const full = ["tile/0/000", "tile/entries/000"].map((name) => join(out, name));
    const inodes = full.map((name) => statSync(name).ino);
    await log.run("suspend", "--agent", "x", "--by", "ops");
    const again = document(await log.run("audit", "export", "out", "--json"));
    expect(full.map((name) => statSync(name).ino)).toEqual(inodes);
    rmSync(join(out, "checkpoint"));
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const [ofDead, ofLiving] = [pid, process.pid].map((each) => join(out, `tile/0/000.tmp-${each}`));
    for (const remains of [ofDead, ofLiving]) writeFileSync(remains as string, "torn");
    expect((await log.run("audit", "export", "out")).code).toBe(0);
    expect(full.map((name) => statSync(name).ino)).toEqual(inodes);
    expect([ofDead, ofLiving].map((remains) => existsSync(remains as string))).toEqual([false, true]);
    const verdict = verdictOf(await log.verify("--export", "out", "--key", vkey));
    expect(verdict).toMatchObject({ ok: true, events: again["size"] });
  });

  test("into a folder of another log is refused and changes nothing", async () => {
    const log = copy();
    const out = join(log.folder, "out");
    mkdirSync(out);
    const foreign = testKey("other.example", 1).checkpoint(1, new Uint8Array(32));
    writeFileSync(join(out, "checkpoint"), foreign);
    expectRefusal(await log.run("audit", "export", "out"), 4, "unknown_key");
    expect(files(out)).toEqual(["checkpoint"]);
    expect(readFileSync(join(out, "checkpoint"), "utf8")).toBe(foreign);
  });

  test("a changed entry, tile or checkpoint is named", async () => {
    const log = copy();
    const vkey = await keyOf(log);
    const spoil = async (name: RegExp, change: (bytes: Buffer) => Buffer) => {
      const out = join(log.folder, "out");
      rmSync(out, { recursive: true, force: true });
      await log.run("audit", "export", "out");
      const path = join(out, files(out).find((file) => name.test(file)) ?? "");
      expect(existsSync(path)).toBe(true);
      writeFileSync(path, change(readFileSync(path)));
      const outcome = await log.verify("--export", "out", "--key", vkey);
      expect(outcome.code).toBe(4);
      return verdictOf(outcome).problems[0];
    };
    const flip = (at: number) => (bytes: Buffer) => {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    };
    expect(await spoil(/entries/, flip(20))).toMatchObject({ code: "entry_mismatch", seq: 1 });
    expect((await spoil(/tile\/0/, flip(20)))?.code).toMatch(/root_mismatch|tile_mismatch/);
    expect(await spoil(/^checkpoint$/, flip(40))).toMatchObject({ seq: null });
    expect(await spoil(/entries/, (bytes) => bytes.subarray(0, -1))).toMatchObject({
      code: "malformed_tile",
    });
  });
});
