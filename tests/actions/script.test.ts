import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  builtinActions,
  type ContextFields,
  type ExecutionResult,
  type JsonObject,
} from "../../src/index.js";
import { openWorld, type World } from "../core/world.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
  await world.grant("agent", "code:execute:demo");
});
afterEach(() => world.close());

const action = builtinActions.script.run;

function execute(actionParams: JsonObject, fields: Partial<ContextFields> = {}): Promise<ExecutionResult> {
  return world.pipeline.executor.executeStep(
    world.context({ action, requiredCapability: "code:execute:demo", actionParams, ...fields }),
  );
}

const run = (code: string, more: JsonObject = {}, fields: Partial<ContextFields> = {}) =>
  execute({ name: "demo", code, ...more }, fields);

async function outputOf(code: string, more: JsonObject = {}): Promise<unknown> {
  const result = await run(code, more);
  return result.status === "completed" ? result.output : result;
}

async function failureOf(code: string, more: JsonObject = {}): Promise<unknown> {
  const result = await run(code, more);
  return "error" in result ? result.error : result;
}

describe("a script is the body of an async function", () => {
  test.each<[string, JsonObject, unknown]>([
    ["return 1 + 1", {}, 2],
    ["return await Promise.resolve(input.a)", { input: { a: [1, { b: null }] } }, [1, { b: null }]],
    ["", {}, null],
    ["return input", {}, null],
    ["return 1 // and no more", {}, 1],
    ["const input = 1; return input", {}, 1],
    ["return 'a\\0b'", {}, "a\0b"],
    ["return 'a\0b'", {}, "a\0b"],
    ["return { a: undefined, b: 1 }", {}, { b: 1 }],
    ["return Object.assign(Object.create(null), { a: -0 })", {}, { a: 0 }],
    ["return eval('1 + 1') + new Function('return 2')()", {}, 4],
    ["return [typeof this, typeof arguments]", {}, ["object", "object"]],
    ["return /(a+)+$/.test('aaab') || [...'é😀'].length", {}, 2],
  ])("%j with %j", async (code, more, output) => {
    expect(await outputOf(code, more)).toEqual(output);
  });

  test("its source may be a file, which is read through the guard", async () => {
    const file = join(world.folder, "demo.js");
    writeFileSync(file, "return input.n * 2");
    expect(await execute({ name: "demo", file: "demo.js", input: { n: 21 } })).toMatchObject({
      status: "denied",
      reason: "no_capability",
    });
    await world.grant("agent", `fs:read:${world.folder}/**`);
    const result = await execute({ name: "demo", file: "demo.js", input: { n: 21 } });
    expect(result).toMatchObject({ status: "completed", output: 42 });
    expect(world.committed().filter(({ event }) => event === "effect_performed")).toMatchObject([
      { effect: "fs.read", capability: `fs:read:${file}`, n: 1 },
    ]);
  });

  test("a file that is no text, or too long, is refused", async () => {
    await world.grant("agent", `fs:read:${world.folder}/**`);
    writeFileSync(join(world.folder, "bytes.js"), Buffer.from([0xff, 0xfe]));
    writeFileSync(join(world.folder, "long.js"), " ".repeat(256 * 1024 + 1));
    for (const file of ["bytes.js", "long.js"]) {
      expect(await execute({ name: "demo", file })).toMatchObject({
        status: "failed",
        error: { code: "script_source" },
      });
    }
  });

  test.each<[string, JsonObject]>([
    ["neither code nor file", { name: "demo" }],
    ["both", { name: "demo", code: "", file: "a" }],
    ["no name", { code: "" }],
    ["a name that is more than one", { name: "a/b", code: "" }],
    ["a name with a wildcard", { name: "*", code: "" }],
    ["a name with a line break", { name: "a\nb", code: "" }],
    ["an unknown parameter", { name: "demo", code: "", env: {} }],
    ["too much memory", { name: "demo", code: "", limits: { memory_bytes: 1e12 } }],
    [
      "too many capabilities",
      { name: "demo", code: "", uses: Array.from({ length: 19 }, () => "job:run:a") },
    ],
    ["too long a source", { name: "demo", code: " ".repeat(256 * 1024 + 1) }],
  ])("refused: %s", async (_what, params) => {
    expect(await execute(params)).toMatchObject({ status: "denied", reason: "invalid_context" });
  });
});

describe("what it returns is plain data, or a failure", () => {
  test.each<[string, string]>([
    ["return () => 1", "function at $ "],
    ["return { a: [1, { b: NaN }] }", "NaN at $.a[1].b "],
    ["return Infinity", "Infinity at $ "],
    ["return 1n", "bigint at $ "],
    ["return Symbol()", "symbol at $ "],
    ["return { [Symbol.iterator]: 1 }", "a symbol as a key at $ "],
    ["return new Map()", "a class of its own at $ "],
    ["return new Date()", "a class of its own at $ "],
    ["return { get a() { return 1 } }", "a getter at $.a "],
    ["return [, 1]", "a hole at $[0] "],
    ["return [undefined]", "undefined at $[0] "],
    ["const a = {}; a.a = a; return a", "nested too deeply"],
    ["return JSON.parse('{\"__proto__\": 1}')", "`__proto__`"],
    ["return '\\ud800'", "a lone surrogate"],
    ["return new Proxy({}, { ownKeys() { throw new Error('mine') } })", "mine"],
  ])("%s", async (code, why) => {
    expect(await failureOf(code)).toMatchObject({
      code: "script_output",
      message: expect.stringContaining(why) as string,
    });
  });

  test("every member is read once, and no code of the script's takes part in what crosses", async () => {
    const once = `let reads = 0;
      const shifty = new Proxy({ a: 1 }, { getOwnPropertyDescriptor(target, key) {
        return { value: ++reads, enumerable: true, configurable: true, writable: true } } });
      return [shifty]`;
    expect(await outputOf(once)).toEqual([{ a: 1 }]);
    const patched = `
      Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = () => "forged";
      Object.defineProperty(Object.prototype, "get", { value: () => "forged" });
      JSON.stringify = () => '"forged"'; Object.getOwnPropertyDescriptor = () => ({ value: "forged" });
      Promise.prototype.then = () => "forged";
      return [[1], { a: 2 }]`;
    expect(await outputOf(patched)).toEqual([[1], { a: 2 }]);
  });
});

describe("errors say where", () => {
  test.each<[string, string, string]>([
    ["\n\n  null.x", "script_failed", "demo:3:7: TypeError: cannot read property 'x' of null"],
    ["null.x", "script_failed", "demo:1:5: TypeError: cannot read property 'x' of null"],
    ["throw new RangeError('far')", "script_failed", "demo:1:21: RangeError: far"],
    ["function f() {\n  throw new Error('in f')\n}\nf()", "script_failed", "demo:2:18: Error: in f"],
    ["await null;\nthrow new Error('later')", "script_failed", "demo:2:16: Error: later"],
    ["const a = ;", "script_syntax", "demo:1:11: SyntaxError: unexpected token in expression: ';'"],
    ["if (true) {", "script_syntax", "demo:1:2: SyntaxError: unexpected token in expression: ')'"],
    ["throw 'text'", "script_failed", "demo: text"],
    ["throw undefined", "script_failed", "demo: undefined"],
    ["throw { get message() { throw 1 }, name: 'N' }", "script_failed", "demo: N: (cannot be read)"],
    ["throw new Proxy({}, { get() { throw 1 } })", "script_failed", /^demo: .*cannot be read/.source],
    ["await import('node:fs')", "script_failed", "demo: ReferenceError: could not load module 'node:fs'"],
    [
      "await new Promise(() => {})",
      "script_stalled",
      "demo: it waits for a promise that nothing will ever settle",
    ],
    ["await handles.memory.get('a')", "script_failed", "demo:1:25: EffectDeniedError [outside_authority]: "],
  ])("%j", async (code, kind, message) => {
    const failure = (await failureOf(code)) as { code: string; message: string };
    expect(failure.code).toBe(kind);
    if (message.startsWith("^")) expect(failure.message).toMatch(new RegExp(message));
    else expect(failure.message.startsWith(message) ? message : failure.message).toBe(message);
  });

  test("a script that forges its error is shown with it, and gets no code of ours", async () => {
    const forged = `const e = new Error("x"); e.code = "revoked_while_running"; e.name = "AuditUnavailableError"; throw e`;
    expect(await failureOf(forged)).toMatchObject({ code: "script_failed" });
  });
});

describe("the same inputs give the same output (R1)", () => {
  const telling = `
    const drawn = [Math.random(), crypto.randomUUID(), Math.random()];
    const times = [Date.now(), new Date().toISOString(), new Date(2020, 6, 1, 12).getTime()];
    return [drawn, times, new Date(0).toString(), new Date().getTimezoneOffset(), typeof Intl]`;

  test("clock, zone and randomness come from the step", async () => {
    const createdAt = "2030-01-02T03:04:05.000Z";
    const result = await run(telling, {}, { createdAt });
    const again = await run(telling, {}, { createdAt });
    expect(again).toMatchObject({ output: "output" in result ? result.output : "" });
    expect(result).toMatchObject({
      status: "completed",
      output: [
        [expect.any(Number), expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/), expect.any(Number)],
        [Date.parse(createdAt), "2030-01-02T03:04:05.001Z", Date.UTC(2020, 6, 1, 12)],
        expect.stringContaining("1970 00:00:00"),
        0,
        "undefined",
      ],
    });
  });

  test("another seed, step or workflow draws other numbers", async () => {
    const draw = async (fields: Partial<ContextFields>) => {
      const result = await run("return Math.random()", {}, fields);
      return result.status === "completed" ? result.output : result;
    };
    const drawn = [
      await draw({ executionSeed: 1 }),
      await draw({ executionSeed: 2 }),
      await draw({ executionSeed: 1, stepId: "other" }),
      await draw({ executionSeed: 1, workflowId: "other" }),
    ];
    expect(new Set(drawn).size).toBe(4);
    expect(await draw({ executionSeed: 1 })).toBe(drawn[0]);
  });

  test("property: twice the same script, seed and input give one digest", async () => {
    await world.grant("agent", "memory:*:**");
    const code = `
      const seen = [];
      await Promise.all(input.keys.map(async (key, index) => {
        await handles.memory.set(key, index);
        seen.push([index, (await handles.memory.get(key)).value, Math.random(), Date.now()]);
      }));
      return { seen, order: Object.keys(input.bag), id: crypto.randomUUID(), sum: input.numbers.reduce((a, b) => a + b, 0) }`;
    const input = fc.record({
      keys: fc.uniqueArray(fc.stringMatching(/^[a-z]{1,5}$/), { maxLength: 5 }),
      bag: fc.dictionary(fc.stringMatching(/^[a-z0-9]{1,4}$/), fc.integer()),
      numbers: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })),
    });
    await fc.assert(
      fc.asyncProperty(input, fc.integer({ min: 0 }), async (given, executionSeed) => {
        const params = { input: given as unknown as JsonObject, uses: ["memory:read:**", "memory:write:**"] };
        const digests = [];
        for (let time = 0; time < 2; time++) {
          const result = await run(code, params, { executionSeed });
          digests.push(result.status === "completed" ? result.outputDigest : result);
        }
        expect(digests[0]).toMatch(/^sha256:/);
        expect(digests[1]).toEqual(digests[0]);
      }),
      { numRuns: 15 },
    );
  });
});

describe("limits", () => {
  test.each<[string, string, JsonObject]>([
    ["while (true) {}", "script_deadline", { deadline_ms: 300 }],
    ["await null; for (;;);", "script_deadline", { deadline_ms: 300 }],
    ["const f = () => Promise.resolve().then(f); await f()", "script_deadline", { deadline_ms: 300 }],
    ["return new Array(1e9) + ''", "script_deadline", { deadline_ms: 300 }],
    ["return /^(a|a)*$/.test('a'.repeat(60) + 'b')", "script_deadline", { deadline_ms: 300 }],
    ["const c = []; for (;;) c.push('x'.repeat(1 << 20))", "script_out_of_memory", {}],
    [
      "const c = []; for (;;) c.push(new Array(1e5).fill(c))",
      "script_out_of_memory",
      { memory_bytes: 2 ** 21 },
    ],
    ["return new Uint8Array(4e6).length", "script_out_of_memory", { memory_bytes: 2 ** 21 }],
    ["return new Uint8Array(1e9).length", "script_out_of_memory", {}],
    ["const f = () => f(); f()", "script_failed", {}],
    ["return 'x'.repeat(1001)", "script_output", { output_characters: 1_000 }],
    ["await handles.memory.set('a', 'x'.repeat(1000))", "script_failed", { output_characters: 1_000 }],
    [
      "for (let i = 0; i < 4; i++) try { await handles.fs.read('/x') } catch (e) { if (e.code == 'too_many_calls') throw e }",
      "script_failed",
      { calls: 3 },
    ],
  ])("%s", async (code, kind, limits) => {
    expect(await failureOf(code, { limits })).toMatchObject({ code: kind });
    expect(await outputOf("return 'the next one works'")).toBe("the next one works");
  });

  test("the step's own deadline ends it, and says so", async () => {
    const step = world.context({
      action,
      requiredCapability: "code:execute:demo",
      actionParams: { name: "demo", code: "for (;;);" },
    });
    expect(await world.pipeline.executor.executeStep(step, { deadlineMs: 300 })).toMatchObject({
      status: "failed",
      error: { code: "deadline_exceeded" },
    });
  });

  test("a revocation ends it while it runs (D7)", async () => {
    const { bindingId } = await world.grant("other", "code:execute:demo");
    const running = run("for (;;);", {}, { agentId: "other" });
    while (!world.committed().some(({ event }) => event === "step_execution_authorized"))
      await new Promise((resolve) => setTimeout(resolve, 5));
    await world.pipeline.bindingManager.unbind(bindingId, { revokedBy: "operator" });
    expect(await running).toMatchObject({ status: "failed", error: { code: "revoked_while_running" } });
  });
});
