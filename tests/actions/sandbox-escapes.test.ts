import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHandleFactory } from "../../src/actions/handles/index.js";
import { handleMethods, useHandle } from "../../src/actions/sandbox/handle-calls.js";
import { SandboxPool } from "../../src/actions/sandbox/pool.js";
import type { ScriptEnd } from "../../src/actions/sandbox/protocol.js";
import { SandboxWorker } from "../../src/actions/sandbox/sandbox-worker.js";
import { realmFingerprint } from "./fixtures/realm-fingerprint.js";
import { createTestGate } from "./test-gate.js";

interface Payload {
  readonly id: string;
  readonly title: string;
  readonly code: string;
}

const file = resolve(
  process.env["SYNAPSE_VECTORS"] ?? "../shared/vectors",
  "4-sandbox-escapes/payloads.json",
);
const payloads = existsSync(file)
  ? (JSON.parse(readFileSync(file, "utf8")) as { readonly payloads: readonly Payload[] }).payloads
  : [];

const entry = new URL("./fixtures/probed-sandbox-worker.js", import.meta.url);
// Only a deadline ends this pool's threads, so that each can be asked about what ran on it.
const pool = new SandboxPool({
  size: 1,
  scriptsPerWorker: Infinity,
  growthBytesMax: Infinity,
  create: () => new SandboxWorker(entry),
});
const handles = createHandleFactory({
  protectedFiles: { covers: () => false },
  workingFolder: "/",
  memory: { get: async () => ({ found: [1, "two"] }), set: async () => undefined },
})(createTestGate({ grants: ["memory:read:**"] }));
const before = realmFingerprint();

/**
 * Runs a payload with the real functions of the bridge under the names that it looks for: as a function's body
 * where it is one, else as a script. Then, in the same context, looks for what an escape would bring.
 */
const harness = `
  globalThis.Buffer = Object.assign((...args) => handles.memory.get(...args), {
    from: handles.memory.get, alloc: handles.fs.read, allocUnsafe: handles.fs.list });
  Object.assign(globalThis, {
    boom: handles.fs.delete, call: handles.memory.get, ctor: handles.memory.set, func: handles.process.run,
    test: handles, global: globalThis });
  const AsyncFunction = (async () => {}).constructor;
  let payload, given;
  try { payload = new AsyncFunction(input) } catch { payload = () => (0, eval)(input) }
  try { given = await payload() } catch (error) { given = error }
  return [typeof process, typeof require, typeof module, typeof WebAssembly, typeof given?.mainModule]`;

async function run(code: string, input: unknown, deadlineMs: number): Promise<ScriptEnd | "killed"> {
  const signal = AbortSignal.timeout(deadlineMs);
  const limits = { memoryBytes: 16 * 1024 * 1024, textMax: 1_000_000, callsMax: 1_000 };
  const job = { file: "payload", code, input: JSON.stringify(input), seed: "s", startMs: 0, ...limits };
  try {
    return await pool.run({
      job: { ...job, methods: handleMethods },
      agentId: "agent",
      signal,
      onCall: (method, args, answer) =>
        void useHandle(handles, "/", method, args, limits.textMax).then(({ ok, text }) => answer(ok, text)),
    });
  } catch (error) {
    if (error !== signal.reason) throw error;
    return "killed";
  }
}

const channel = new BroadcastChannel("sandbox-probe");

/** Asks the thread that ran the last script what became of its realm. */
function probe(): Promise<unknown> {
  return new Promise((resolve) => {
    channel.onmessage = (event) => {
      const { data } = event as { readonly data: { readonly kind: string } };
      if (data.kind === "probed") resolve(data);
    };
    channel.postMessage({ kind: "probe" });
  });
}

const ends = new Map<string, number>();
beforeAll(() => {
  if (payloads.length === 0) console.log(`no escape payloads at ${file}: skipped`);
});
afterAll(async () => {
  channel.close();
  await pool.close();
});

describe.skipIf(payloads.length === 0)("no known escape leaves the sandbox", () => {
  test.each(payloads.map((each) => [each.id, each.title, each.code] as const))(
    "%s %s",
    async (_id, _title, code) => {
      const end = await run(harness, code, 1_500);
      const kind = end === "killed" ? end : end.kind;
      ends.set(kind, (ends.get(kind) ?? 0) + 1);
      if (end !== "killed" && end.kind === "value") {
        expect(JSON.parse(end.text)).toEqual(Array.from({ length: 5 }, () => "undefined"));
      }
      // The next script finds a context of its own, in a thread whose realm is as it was.
      const next = await run(
        "return [Object.keys(globalThis), Object.keys(Object.prototype), typeof bypassed, 6 * 7]",
        null,
        20_000,
      );
      expect(next).toEqual({ kind: "value", text: '[[],[],"undefined",42]' });
      expect(await probe()).toEqual({ kind: "probed", untouched: true, bypassed: "undefined" });
      expect("bypassed" in globalThis).toBe(false);
      expect(realmFingerprint()).toBe(before);
    },
  );

  test("nearly all of them ran to an end that was looked at", () => {
    expect(payloads).toHaveLength(385);
    expect(ends.get("value")).toBeGreaterThan(350);
    expect(ends.get("killed")).toBeGreaterThan(0);
    console.log(Object.fromEntries(ends));
  });
});
