/** Replacing the signer of a pipeline: a key service takes over, and the log stays verifiable at every point. */
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createPipeline, type Pipeline, type Signer, StoreError } from "../../src/index.js";
import { EvidenceError } from "../../src/model/errors.js";
import { parseCheckpoint, verifyCheckpoint } from "../../src/verify.js";
import { folder, synapse } from "../cli/invoke.js";
import { testKey } from "../proof/fixtures/keys.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { verdictOf } from "./fixtures/logs.js";

const name = "log.example/agents";
const by = { by: "ada" };

/** A key service: answers later, and can be out of order. */
function service(seed: number, broken: { now?: boolean } = {}): Signer & { readonly vkey: string } {
  const key = testKey(name, seed);
  return {
    keyName: name,
    publicKey: key.key.publicKey,
    vkey: key.vkey,
    sign: async (message) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (broken.now === true) throw new Error("the key service is away");
      return key.sign(message);
    },
  };
}

const open = async (cwd: string, signer?: Signer): Promise<Pipeline> => {
  const pipeline = await createPipeline({ database: join(cwd, "log.db"), ...(signer && { signer }) });
  onTestFinished(() => pipeline.close());
  return pipeline;
};
const verify = (cwd: string, vkey: string) =>
  synapse({ cwd }, "audit", "verify", "--db", "log.db", "--json", "--key", vkey);

describe("pipeline.rotateSigner", () => {
  test("both sign the checkpoint that ends with it, the new one alone signs from then on", async () => {
    const cwd = folder();
    const [old, next] = [service(1), service(2)];
    const pipeline = await open(cwd, old);
    await pipeline.audit.emitEvent("x_note", {});
    await pipeline.checkpoint();
    expect(await pipeline.rotateSigner(next, by)).toBe(next.vkey);
    expect(pipeline.verifierKey()).toBe(next.vkey);
    const both = await pipeline.checkpoint();
    for (const { vkey } of [old, next]) expect(verifyCheckpoint(both, vkey).size).toBe(2);
    await pipeline.audit.emitEvent("x_note", {});
    const after = await pipeline.checkpoint();
    expect(verifyCheckpoint(after, next.vkey).size).toBe(3);
    expect(parseCheckpoint(after).signatures).toHaveLength(1);
    expect(await pipeline.audit.getEvents({ event: "key_rotated" })).toMatchObject([
      { old_vkey: old.vkey, new_vkey: next.vkey, by: "ada" },
    ]);
    await pipeline.close();
    for (const { vkey } of [old, next])
      expect(verdictOf(await verify(cwd, vkey))).toMatchObject({ ok: true, checkpoints: 3 });
  });

  test("takes over from the key beside the database", async () => {
    const cwd = folder();
    const pipeline = await open(cwd);
    await pipeline.audit.emitEvent("x_note", {});
    const beside = pipeline.verifierKey();
    const key = testKey(beside.slice(0, beside.indexOf("+")), 2);
    const next = {
      keyName: key.key.name,
      publicKey: key.key.publicKey,
      sign: async (m: Uint8Array) => key.sign(m),
    };
    await pipeline.rotateSigner(next, by);
    await pipeline.close();
    for (const vkey of [beside, key.vkey]) expect((await verify(cwd, vkey)).code).toBe(0);
    const forgetful = await open(cwd);
    await forgetful.audit.emitEvent("x_note", {});
    await refusal(forgetful.checkpoint(), StoreError, "key_not_in_force");
    await forgetful.close();
    expect((await verify(cwd, key.vkey)).code).toBe(0);
  });

  test("another process that still has the old signer makes no checkpoint with it any more", async () => {
    const cwd = folder();
    const [old, next] = [service(1), service(2)];
    const [here, there] = [await open(cwd, old), await open(cwd, old)];
    await here.rotateSigner(next, by);
    await there.audit.emitEvent("x_note", {});
    await refusal(there.checkpoint(), StoreError, "key_not_in_force");
    await refusal(there.rotateSigner(service(3), by), StoreError, "key_not_in_force");
    await there.close();
    await here.checkpoint();
    await here.close();
    expect((await verify(cwd, next.vkey)).code).toBe(0);
  });

  test("a signer that cannot sign, or not with its key, is found out before anything is recorded", async () => {
    const cwd = folder();
    const old = service(1);
    const pipeline = await open(cwd, old);
    await expect(pipeline.rotateSigner(service(2, { now: true }), by)).rejects.toThrow(
      "the key service is away",
    );
    const liar = { ...service(2), publicKey: service(3).publicKey };
    await refusal(pipeline.rotateSigner(liar, by), EvidenceError, "invalid_signature");
    await refusal(pipeline.rotateSigner(old, by), StoreError, "invalid_key");
    await refusal(
      pipeline.rotateSigner({ ...service(2), keyName: "log.example/other" }, by),
      StoreError,
      "invalid_key",
    );
    await expect(pipeline.rotateSigner(service(2), { by: "" })).rejects.toThrow(TypeError);
    expect(await pipeline.audit.getEvents()).toEqual([]);
  });

  test("cut short after the event, it is finished by asking again, and nothing is signed before", async () => {
    const cwd = folder();
    const broken = { now: false };
    const [old, next] = [service(1), service(2, broken)];
    const pipeline = await open(cwd, old);
    pipeline.audit.onEvent(({ event }) => (broken.now = event === "key_rotated"));
    await expect(pipeline.rotateSigner(next, by)).rejects.toThrow("the key service is away");
    await refusal(pipeline.checkpoint(), StoreError, "key_not_in_force");
    await pipeline.close();
    broken.now = false;
    const early = await open(cwd, next);
    await refusal(early.checkpoint(), StoreError, "key_not_in_force");
    await early.close();
    expect((await verify(cwd, old.vkey)).code).toBe(4);
    const again = await open(cwd, old);
    await again.rotateSigner(next, by);
    expect(await again.audit.getEvents({ event: "key_rotated" })).toHaveLength(1);
    await again.close();
    for (const { vkey } of [old, next]) expect((await verify(cwd, vkey)).code).toBe(0);
  });
});
