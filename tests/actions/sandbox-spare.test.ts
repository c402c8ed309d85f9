import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { SandboxPool } from "../../src/actions/sandbox/pool.js";
import type { ScriptEnd, ScriptJob } from "../../src/actions/sandbox/protocol.js";
import { usualJob } from "./fixtures/script-job.js";

const pools: SandboxPool[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));

function open(): SandboxPool {
  const pool = new SandboxPool({ size: 1 });
  pools.push(pool);
  return pool;
}

function run(pool: SandboxPool, job: Partial<ScriptJob>): Promise<ScriptEnd> {
  return pool.run({
    job: { ...usualJob, ...job },
    agentId: "agent",
    signal: new AbortController().signal,
    onCall: (method, args, answer) => answer(true, JSON.stringify([method, args])),
  });
}

/** The next script on this thread finds an engine that was made while nothing was to be done. */
const idle = (): Promise<void> => sleep(100);

const look = `
  const seen = [Date.now(), new Date(0).getTimezoneOffset(), Math.random(), crypto.randomUUID(), Date.now()];
  let stack = ""; try { null.x } catch (error) { stack = error.stack }
  return { input, seen, stack, names: Object.getOwnPropertyNames(globalThis), handles: Object.keys(handles),
    called: await handles.test.call(7), at: Date.now() }`;

describe("an engine that was made before its script came (H5)", () => {
  test("shows what one shows that is made for it: clock, seed, input, names", async () => {
    const jobs = [1, 2, 3].map((n) => ({
      code: look,
      seed: `seed ${n}`,
      startMs: n * 1_000_000,
      input: String(n),
    }));
    const [shared, answers] = [open(), [] as ScriptEnd[]];
    for (const job of jobs) {
      answers.push(await run(shared, job));
      await idle();
    }
    for (const [n, job] of jobs.entries()) {
      const alone = await run(open(), job);
      expect(alone.kind).toBe("value");
      expect(answers[n]).toEqual(alone);
    }
    expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(jobs.length);
  });

  test("is for no script of another kind: other handles, another bound on memory", async () => {
    const pool = open();
    await run(pool, {});
    await idle();
    const other = await run(pool, { code: "return Object.keys(handles)", methods: ["other.call"] });
    expect(other).toEqual({ kind: "value", text: '["other"]' });
    await idle();
    const fill =
      "const held = []; for (let n = 0; n < 512; n++) held.push(new Uint8Array(65536)); return held.length";
    const roomy = 128 * 1024 * 1024;
    expect(await run(pool, { code: fill, memoryBytes: roomy })).toEqual({ kind: "value", text: "512" });
    await idle();
    expect(await run(pool, { code: fill, memoryBytes: 1024 * 1024 })).toMatchObject({ kind: "thrown" });
    await idle();
    expect(await run(pool, { code: fill, memoryBytes: roomy })).toEqual({ kind: "value", text: "512" });
  });

  test("that cannot be made is no script's end but that of the script which asks for it", async () => {
    const pool = open();
    const tiny = await run(pool, { memoryBytes: 1 });
    expect(tiny.kind).toBe("engine");
    await idle();
    expect(await run(pool, { memoryBytes: 1 })).toEqual(tiny);
    await idle();
    expect(await run(pool, { code: "return 1" })).toEqual({ kind: "value", text: "1" });
  });

  test("belongs to one script: what that leaves behind is not there for the next", async () => {
    const pool = open();
    for (let n = 0; n < 3; n++) {
      const code = "const was = typeof globalThis.left; globalThis.left = 1; Math.max = null; return was";
      expect(await run(pool, { code })).toEqual({ kind: "value", text: '"undefined"' });
      await idle();
    }
  });
});
