import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { SandboxPool, type PoolOptions } from "../../src/actions/sandbox/pool.js";
import type { ScriptEnd } from "../../src/actions/sandbox/protocol.js";
import { usualJob } from "./fixtures/script-job.js";
import { SandboxWorker } from "../../src/actions/sandbox/sandbox-worker.js";

const made: SandboxWorker[] = [];
let pool: SandboxPool | undefined;

function open(options: PoolOptions = {}): SandboxPool {
  made.length = 0;
  return (pool = new SandboxPool({
    size: 2,
    create: () => {
      const worker = new SandboxWorker();
      made.push(worker);
      return worker;
    },
    ...options,
  }));
}
afterEach(() => pool?.close());

const never = new AbortController().signal;

interface More {
  readonly agentId?: string;
  readonly signal?: AbortSignal;
  readonly input?: unknown;
  readonly onCall?: Parameters<SandboxPool["run"]>[0]["onCall"];
}

/** What a script of the pool ended with; `return` values as they are. */
async function run(code: string, more: More = {}): Promise<unknown> {
  const end: ScriptEnd = await (pool ?? open()).run({
    job: { ...usualJob, code, input: JSON.stringify(more.input ?? null) },
    agentId: more.agentId ?? "agent",
    signal: more.signal ?? never,
    onCall: more.onCall ?? ((_method, _args, answer) => answer(true, "null")),
  });
  return end.kind === "value" ? (JSON.parse(end.text) as unknown) : end;
}

const endless = "for (;;);";

describe("a pool of threads", () => {
  test("one script leaves nothing to the next, on the same thread", async () => {
    open({ size: 1 });
    const leave = `
      globalThis.left = 1; Array.prototype.left = 1; Object.prototype.left = 1; JSON.parse = null;
      Object.defineProperty(handles.test, "call", { value: 1 })`;
    expect(await run(leave)).toMatchObject({ kind: "thrown" });
    const look =
      "return [typeof left, [].left ?? 0, ({}).left ?? 0, typeof JSON.parse, await handles.test.call()]";
    expect(await run(look)).toEqual(["undefined", 0, 0, "function", null]);
    expect(made).toHaveLength(1);
  });

  test("a killed thread is replaced, and its neighbour goes on", async () => {
    open();
    const stop = new AbortController();
    const killed = run(endless, { signal: stop.signal });
    const neighbour = run("return await handles.test.call()", {
      agentId: "neighbour",
      onCall: (_method, _args, answer) => {
        stop.abort(new Error("enough"));
        setTimeout(() => answer(true, '"answered"'), 50);
      },
    });
    await expect(killed).rejects.toThrow("enough");
    expect(await neighbour).toBe("answered");
    const again = [run("return 1"), run("return 2", { agentId: "neighbour" })];
    expect(await Promise.all(again)).toEqual([1, 2]);
    expect(made).toHaveLength(3);
  });

  test("a signal that is aborted after the end touches no later script", async () => {
    open({ size: 1 });
    const stop = new AbortController();
    expect(await run("return 1", { signal: stop.signal })).toBe(1);
    const next = run("return await handles.test.call()", {
      onCall: (_method, _args, answer) => {
        stop.abort(new Error("too late to matter"));
        setTimeout(() => answer(true, "7"), 20);
      },
    });
    expect(await next).toBe(7);
    expect(made).toHaveLength(1);
  });

  test("an answer that comes after a script's end never reaches the next script on its thread", async () => {
    open({ size: 1 });
    const late: ((ok: boolean, text: string) => void)[] = [];
    const hold: NonNullable<More["onCall"]> = (_method, _args, answer) => void late.push(answer);
    const failing = run("handles.test.call(); throw new Error('over')", { onCall: hold });
    expect(await failing).toMatchObject({ kind: "thrown" });
    const next = run("return await handles.test.call()", {
      onCall: (_method, _args, answer) => {
        late[0]?.(true, '"of the script before"');
        setTimeout(() => answer(true, '"its own"'), 20);
      },
    });
    expect(await next).toBe("its own");
    expect(late).toHaveLength(1);
    expect(made).toHaveLength(1);
  });

  test("eight calls are under way and no more; the others wait, in order, and all of them are made", async () => {
    open({ size: 1 });
    let underWay = 0;
    let most = 0;
    const seen: string[] = [];
    const code = `for (let i = 0; i < 30; i++) handles.test.call(i); return "returned"`;
    const returned = await run(code, {
      onCall: (_method, args, answer) => {
        seen.push(args);
        most = Math.max(most, ++underWay);
        setTimeout(() => {
          underWay--;
          answer(true, "null");
        }, 1);
      },
    });
    expect(returned).toBe("returned");
    expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => `[${index}]`));
    expect(most).toBe(8);
  });

  test("a worker that cannot be made is an error, and takes nobody's turn", async () => {
    let fails = 3;
    open({
      size: 1,
      create: () => {
        if (fails-- > 0) throw new Error("no more threads");
        return new SandboxWorker();
      },
    });
    for (let time = 0; time < 3; time++) await expect(run("return 1")).rejects.toThrow("no more threads");
    expect(await run("return 1")).toBe(1);
  });

  test("aborted while it waits for its turn, or before: it never starts", async () => {
    open({ size: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = run(endless, { signal: first.signal });
    const waiting = run("return 1", { signal: second.signal });
    second.abort(new Error("changed my mind"));
    await expect(waiting).rejects.toThrow("changed my mind");
    first.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    await expect(run("return 1", { signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow("never");
    expect(await run("return 1")).toBe(1);
  });

  test("an agent with endless scripts leaves a thread to the others (D9)", async () => {
    open({ size: 2 });
    const stop = new AbortController();
    const hogs = [1, 2, 3].map(() => run(endless, { signal: stop.signal, agentId: "hog" }));
    const ended = Promise.allSettled(hogs);
    expect(await run("return 1", { agentId: "modest" })).toBe(1);
    stop.abort(new Error("enough"));
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });

  test("a worker is replaced after so many scripts, or when memory has grown", async () => {
    open({ size: 1, scriptsPerWorker: 2 });
    for (let script = 0; script < 5; script++) expect(await run("return 1")).toBe(1);
    expect(made).toHaveLength(3);
    open({ size: 1, growthBytesMax: -Infinity });
    for (let script = 0; script < 3; script++) expect(await run("return 1")).toBe(1);
    expect(made).toHaveLength(3);
  });

  test("a thread that dies is the end of its script alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), "synapse-sandbox-"));
    const file = join(folder, "dies.mjs");
    writeFileSync(
      file,
      `import { parentPort } from "node:worker_threads"; parentPort.on("message", () => { throw new Error("broken") })`,
    );
    const entries = [new URL(`file://${file}`), undefined];
    open({ size: 1, create: () => new SandboxWorker(entries.shift()) });
    expect(await run("return 1")).toEqual({ kind: "engine", text: "broken" });
    expect(await run("return 1")).toBe(1);
    rmSync(folder, { recursive: true });
  });

  test("an input that does not fit into a script's memory ends it, and nothing else", async () => {
    open({ size: 1 });
    expect(await run("return 1", { input: "x".repeat(40_000_000) })).toMatchObject({ kind: "engine" });
    expect(
      await run("return await handles.test.call()", {
        onCall: (_method, _args, answer) => answer(true, JSON.stringify("x".repeat(40_000_000))),
      }),
    ).toMatchObject({ kind: "engine" });
    expect(await run("return 1")).toBe(1);
  });
});

describe("a worker inherits nothing", () => {
  test("neither the environment nor arguments nor data, and it does not keep the process alive", async () => {
    const script = `
      import { SandboxPool } from ${JSON.stringify(resolve("dist/actions/sandbox/pool.js"))};
      import { SandboxWorker } from ${JSON.stringify(resolve("dist/actions/sandbox/sandbox-worker.js"))};
      const pool = new SandboxPool({ create: () => new SandboxWorker(process.argv[2] && new URL(process.argv[2])) });
      const job = { file: "f", code: "return 6 * 7", input: "null", seed: "s", startMs: 0, methods: [],
        memoryBytes: 2 ** 24, textMax: 100000, callsMax: 1 };
      const end = await pool.run({ job, agentId: "a", signal: new AbortController().signal, onCall() {} });
      console.log(end.text);`;
    const nosy = `
      import { parentPort, workerData } from "node:worker_threads";
      const seen = { env: process.env, argv: process.argv.slice(2), execArgv: process.execArgv, workerData };
      parentPort.on("message", ({ id }) =>
        parentPort.postMessage({ kind: "end", id, end: { kind: "value", text: JSON.stringify(seen) } }));`;
    const folder = mkdtempSync(join(tmpdir(), "synapse-sandbox-"));
    writeFileSync(join(folder, "main.mjs"), script);
    writeFileSync(join(folder, "nosy.mjs"), nosy);
    const start = (...args: string[]) =>
      promisify(execFile)(process.execPath, ["--no-warnings", join(folder, "main.mjs"), ...args], {
        env: { SECRET: "x" },
        timeout: 20_000,
      });
    // That it ends by itself is the point: an idle worker must not hold it.
    expect(await start()).toEqual({ stdout: "42\n", stderr: "" });
    const { stdout, stderr } = await start(`file://${join(folder, "nosy.mjs")}`, "argument");
    expect(JSON.parse(stdout)).toEqual({ env: {}, argv: [], execArgv: [] });
    expect(stderr).toBe("");
    rmSync(folder, { recursive: true });
  });
});
