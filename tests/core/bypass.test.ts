import { execFile } from "node:child_process";
import { promisify } from "node:util";
import vm from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Action,
  ActionRegistry,
  type ContextFields,
  createPipeline,
  defineAction,
  type ExecutionResult,
  InvalidContextError,
  type RuntimeGuard,
  SecureExecutionContext,
  SecureWorkflowExecutor,
} from "../../src/index.js";
import { reachable } from "./reachable.js";
import { job, openWorld, stepEvents, type World } from "./world.js";
import { programOf } from "../programs.js";

let world: World;
let runs: number;
let action: Action;
beforeEach(async () => {
  world = await openWorld();
  runs = 0;
  action = job(() => ++runs);
});
afterEach(() => world.close());

const execute = (context: unknown): Promise<ExecutionResult> =>
  world.pipeline.executor.executeStep(context as SecureExecutionContext);

describe("patched built-ins (G1)", () => {
  test("neither listening nor lying built-ins give the function away or get it run", async () => {
    const program = programOf("tests/core/fixtures/patched-builtins.ts");
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    const report = JSON.parse(stdout) as {
      leaks: string[];
      runs: string[];
      statuses: string[];
      unauthorised: { [attack: string]: string };
      control: { caught: boolean };
    };
    expect(report.control.caught).toBe(true);
    expect(report.leaks).toEqual([]);
    expect(report.statuses).toEqual(["completed", "completed", "denied"]);
    expect(report.runs).toEqual(["defined.before", "defined.after"]);
    expect(Object.keys(report.unauthorised).length).toBeGreaterThan(8);
    for (const [attack, outcome] of Object.entries(report.unauthorised)) {
      expect(`${attack}: ${outcome}`).toBe(`${attack}: did not run`);
    }
  });
});

describe("what only looks like a context (D4)", () => {
  const forgeries: [string, (context: SecureExecutionContext) => unknown][] = [
    ["a copy", (context) => ({ ...context })],
    ["an heir", (context) => Object.create(context) as unknown],
    ["a proxy", (context) => new Proxy(context, {})],
    [
      "an object with its prototype",
      (context) => Object.setPrototypeOf({ ...context }, SecureExecutionContext.prototype) as unknown,
    ],
    ["a structured clone of its data", ({ action: _action, ...data }) => structuredClone(data)],
    ["nothing", () => undefined],
    ["null", () => null],
    ["text", () => "context"],
    ["a number", () => 7],
    ["a function", (context) => () => context],
    ["an array", (context) => [context]],
    ["a promise of it", (context) => Promise.resolve(context)],
    [
      "a revoked proxy",
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      },
    ],
    [
      "a proxy whose traps throw",
      () =>
        new Proxy(
          {},
          {
            getOwnPropertyDescriptor() {
              throw new Error("trap");
            },
          },
        ),
    ],
    [
      "members of the wrong kind",
      () => ({ agentId: 7, stepId: ["x"], workflowId: { toString: () => "wf" } }),
    ],
    ["members that are too long", () => ({ agentId: "a".repeat(1e6), requiredCapability: "x".repeat(1e6) })],
    [
      "lone surrogates",
      () => ({ agentId: "a", traceId: "\ud800", requiredCapability: "\udfff", auditReference: "\ud800" }),
    ],
    [
      "a cycle",
      () => {
        const cycle: { self?: unknown } = {};
        cycle.self = cycle;
        return cycle;
      },
    ],
    ["BigInt", () => 1n],
    ["a symbol", () => Symbol("context")],
  ];
  test.each(forgeries)("%s is denied, recorded and not run", async (_name, forge) => {
    await world.grant("agent", "job:run:a");
    expect(await execute(forge(world.context({ action })))).toMatchObject({
      status: "denied",
      reason: "invalid_context",
    });
    expect(stepEvents(world.committed())).toEqual(["requested", "denied"]);
    expect(runs).toBe(0);
  });

  test("getters of a forgery are never called", async () => {
    let calls = 0;
    const forged = {};
    for (const key of [
      "agentId",
      "action",
      "actionParams",
      "requiredCapability",
      "workflowId",
      "then",
      "traceId",
    ]) {
      Object.defineProperty(forged, key, { enumerable: true, get: () => ++calls });
    }
    expect(await execute(forged)).toMatchObject({ status: "denied", reason: "invalid_context" });
    expect(calls).toBe(0);
  });

  test("well-formed members of a forgery stand in its record", async () => {
    const data = { ...world.context({ action }), action: undefined };
    await execute({ ...data, agentId: "liar" });
    expect(world.committed()[1]).toMatchObject({
      event: "step_execution_denied",
      agent_id: "liar",
      workflow_id: "wf",
      capability: "job:run:a",
      reason: "invalid_context",
    });
  });
});

describe("a context is what it was when it was made", () => {
  test("a subclass cannot answer for it", async () => {
    await world.grant("trusted", "job:run:a");
    class Chameleon extends SecureExecutionContext {
      // Put there by force, since the compiler would refuse such members; an attacker is not asked.
      static make(fields: ContextFields): SecureExecutionContext {
        for (const [key, value] of [
          ["agentId", "trusted"],
          ["action", action],
          ["requiredCapability", "job:run:a"],
        ]) {
          Object.defineProperty(Chameleon.prototype, key as string, { configurable: true, get: () => value });
        }
        return new Chameleon(fields);
      }
    }
    const context = Chameleon.make({
      workflowId: "wf",
      stepId: "step",
      agentId: "agent",
      requiredCapability: "job:run:a",
      auditReference: "a",
      traceId: "t",
      action,
    });
    expect(context.agentId).toBe("agent");
    expect(await execute(context)).toMatchObject({ status: "denied", agentId: "agent" });
    expect(runs).toBe(0);
  });

  test("it is frozen through and through, and does not follow what it was made from", async () => {
    const actionParams = { list: [{ n: 1 }] };
    let seen: unknown;
    const context = world.context({ action: job((params) => void (seen = params)), actionParams });
    await world.grant("agent", "job:run:a");
    const { actionParams: params } = context as unknown as { actionParams: typeof actionParams };
    actionParams.list[0] = { n: 2 };
    actionParams.list.push({ n: 3 });
    expect(() => params.list.push({ n: 4 })).toThrow(TypeError);
    expect(() => Object.assign(params.list[0] ?? {}, { n: 5 })).toThrow(TypeError);
    expect(() => Object.assign(context, { agentId: "other" })).toThrow(TypeError);
    await execute(context);
    expect(seen).toEqual({ list: [{ n: 1 }] });
    expect(Object.isFrozen(seen)).toBe(true);
  });

  test("each field is read exactly once", () => {
    const reads: { [key: string]: number } = {};
    const fields = new Proxy(
      {
        workflowId: "w",
        stepId: "s",
        agentId: "a",
        requiredCapability: "c",
        auditReference: "r",
        traceId: "t",
        action,
      },
      {
        get(target, key) {
          reads[String(key)] = (reads[String(key)] ?? 0) + 1;
          return Reflect.get(target, key) as unknown;
        },
      },
    );
    expect(new SecureExecutionContext(fields)).toMatchObject({ agentId: "a" });
    expect(new Set(Object.values(reads))).toEqual(new Set([1]));
  });

  test("seeds, times and identifiers have one form", () => {
    const context = (fields: Partial<ContextFields>) => world.context({ action, ...fields });
    expect(Object.is(context({ executionSeed: -0 }).executionSeed, 0)).toBe(true);
    expect(context({ createdAt: "2026-01-01T01:00:00+01:00" }).createdAt).toBe("2026-01-01T00:00:00.000Z");
    expect(context({}).createdAt).toBe("1970-01-01T00:00:00.000Z");
    expect(context({}).protocolVersion).toBe("1.0");
  });
});

describe("contexts that cannot be made", () => {
  const refused = (fields: object, field: string) => {
    const make = () => world.context({ action, ...fields });
    expect(make).toThrow(InvalidContextError);
    expect(make).toThrow(expect.objectContaining({ code: "invalid_context", field }));
  };

  test.each([
    ["workflowId", "a b"],
    ["workflowId", ""],
    ["stepId", "-a"],
    ["stepId", 7],
    ["agentId", "a".repeat(129)],
    ["agentId", "a/b"],
    ["agentId", "ä"],
    ["requiredCapability", undefined],
    ["requiredCapability", "x".repeat(2_049)],
    ["requiredCapability", "\ud800"],
    ["traceId", undefined],
    ["traceId", "x".repeat(257)],
    ["auditReference", null],
    ["auditReference", {}],
    ["capabilityScope", ""],
    ["capabilityScope", 1],
    ["createdAt", "yesterday"],
    ["createdAt", "2026-02-30T00:00:00Z"],
    ["createdAt", 0],
    ["executionSeed", 1.5],
    ["executionSeed", Number.NaN],
    ["executionSeed", "x".repeat(257)],
    ["executionSeed", 2 ** 53],
    ["executionSeed", null],
    ["executionSeed", "\udc00"],
    ["actionParams", []],
    ["actionParams", "x"],
    ["actionParams", 7],
  ])("%s: %j", (field, value) => refused({ [field]: value }, field));

  let calls = 0;
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const sparse: unknown[] = [];
  sparse.length = 2 ** 32 - 1;
  test.each<[string, unknown]>([
    ["a getter", Object.defineProperty({}, "a", { enumerable: true, get: () => ++calls })],
    ["a hidden getter", { list: Object.defineProperty([1], 0, { get: () => ++calls }) }],
    ["the key __proto__", JSON.parse('{"__proto__": {"admin": true}}')],
    ["a function to wait for", { then: () => ++calls }],
    ["toJSON", { toJSON: () => ++calls }],
    ["a cycle", cycle],
    ["BigInt", { n: 1n }],
    ["NaN", { n: Number.NaN }],
    ["a sparse array", { sparse }],
    ["a date", { at: new Date(0) }],
    ["a map", { map: new Map() }],
    ["an instance", { it: new (class It {})() }],
    ["a symbol as a key", { [Symbol("k")]: 1 }],
    ["a lone surrogate", { text: "\ud800" }],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error("trap");
          },
        },
      ),
    ],
    [
      "a proxy that hides its prototype",
      new Proxy(
        {},
        {
          getPrototypeOf() {
            throw new Error("trap");
          },
        },
      ),
    ],
    ["what pretends to be bytes", { bytes: Object.create(Uint8Array.prototype) as unknown }],
    ["65 levels", { a: Array.from({ length: 64 }).reduce((inner) => [inner], 1) }],
    ["a million keys", Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`k${index}`, 1]))],
    ["17 MiB of text", { text: "x".repeat(17 * 1024 * 1024) }],
  ])("parameters with %s", (_name, actionParams) => {
    refused({ actionParams }, "actionParams");
    expect(calls).toBe(0);
  });

  test.each<[string, unknown]>([
    ["a function", () => 1],
    ["an object with its members", { name: "job.run", idempotent: false, replayable: false }],
    ["nothing", undefined],
    ["its name", "fs.read"],
  ])("an action that is %s", (_name, forged) => refused({ action: forged }, "action"));

  test("an action that was copied, inherited from, wrapped or made in another realm", () => {
    const foreign: unknown = vm.runInNewContext("({ name: 'job.run', requires: () => [], run: () => 1 })");
    const wrapped: unknown[] = [{ ...action }, Object.create(action), new Proxy(action, {}), foreign];
    for (const forged of wrapped) {
      refused({ action: forged }, "action");
      expect(() => new ActionRegistry([forged as Action])).toThrow(TypeError);
    }
  });

  test("from nothing at all", () => {
    for (const fields of [undefined, null, 7, "x"]) {
      expect(() => new SecureExecutionContext(fields as never)).toThrow(
        expect.objectContaining({ code: "invalid_context", field: "$" }),
      );
    }
  });
});

describe("parts of one pipeline only work with each other (G2)", () => {
  test("a collaborator of another pipeline is a TypeError, and nothing runs", async () => {
    const other = await openWorld();
    try {
      await world.grant("agent", "job:run:a");
      await other.grant("agent", "job:run:a");
      const { runtimeGuard, capabilityManager, audit } = world.pipeline;
      const own = { action, capabilities: ["job:run:a"], agentId: "agent", capabilityManager, audit };
      await expect(runtimeGuard.guard({ ...own, audit: other.pipeline.audit })).rejects.toThrow(TypeError);
      const { capabilityManager: foreign } = other.pipeline;
      await expect(runtimeGuard.guard({ ...own, capabilityManager: foreign })).rejects.toThrow(TypeError);
      await expect(
        runtimeGuard.guard({ ...own, capabilityManager: { ...foreign } as never }),
      ).rejects.toThrow(TypeError);
      await expect(runtimeGuard.guard({ ...own, audit: {} as never })).rejects.toThrow(TypeError);
      expect(() => new SecureWorkflowExecutor({ runtimeGuard, capabilityManager: foreign, audit })).toThrow(
        TypeError,
      );
      expect(
        () => new SecureWorkflowExecutor({ runtimeGuard: {} as RuntimeGuard, capabilityManager, audit }),
      ).toThrow(TypeError);
      expect(runs).toBe(0);
      expect(stepEvents(world.committed())).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test("the guard decides from its own log, whatever another pipeline was told", async () => {
    const other = await openWorld();
    try {
      await other.grant("agent", "job:run:a");
      expect(await execute(other.context({ action }))).toMatchObject({
        status: "denied",
        reason: "no_capability",
      });
      expect(runs).toBe(0);
    } finally {
      await other.close();
    }
  });
});

describe("nothing that is handed out leads to the function or to the log", () => {
  test("not from a context, an action, a result, an executor, a guard or the pipeline", async () => {
    const secret = function secretRun() {
      return ++runs;
    };
    const hidden = job(secret, { requires: () => "job:run:a" });
    await world.grant("agent", "job:run:a");
    const context = world.context({ action: hidden });
    const results = [await execute(context), await execute({})];
    const { pipeline } = world;
    const held: unknown[] = [
      context,
      hidden,
      ...results,
      pipeline,
      pipeline.forAgent("agent"),
      ...(Object.values(pipeline) as unknown[]),
    ];
    const found = reachable(held);
    expect(found.has(secret)).toBe(false);
    // Nor to the ledger, the driver or a database connection: authority is minted there.
    const names = [...found]
      .map((value) => (value as object).constructor)
      .filter((each) => typeof each === "function");
    expect(names.map(({ name }) => name)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(Ledger|Store|SqliteDriver|Database|State|Effects)$/)]),
    );
    expect(found.size).toBeGreaterThan(50);
    for (const value of held) expect(Object.isFrozen(value) || typeof value !== "object").toBe(true);
  });

  test("not from what an action is given: it makes no handles of its own, and changes none of another step's", async () => {
    await world.grant("agent", "job:run:a");
    const seen: object[][] = [];
    const curious = defineAction({
      name: "test.curious",
      requires: () => "job:run:a",
      run: (_, handles, env) => void seen.push([handles, env]),
    });
    await execute(world.context({ action: curious }));
    await execute(world.context({ action: curious }));
    const [mine, others] = seen as [object[], object[]];
    for (const [n, given] of mine.entries()) {
      const shared = Object.getPrototypeOf(given) as object;
      const other = others[n] as object;
      expect(Object.isFrozen(given) && Object.isFrozen(shared)).toBe(true);
      expect({ ...given }).toEqual(given);
      expect(Object.keys(given).sort()).toEqual(
        n === 0
          ? ["fs", "http", "mcp", "memory", "process"]
          : ["agentId", "now", "random", "signal", "stepId", "uuid", "workflowId"],
      );
      expect(shared).toBe(Object.getPrototypeOf(other));
      expect(Object.getPrototypeOf(shared)).toBe(Object.prototype);
      // `Object`, which is everybody's: with the class one would make handles that ask a gate of one's own.
      expect(given.constructor).toBe(Object);
      expect(Reflect.ownKeys(shared).sort()).toEqual(
        n === 0 ? ["fs", "http", "mcp", "memory", "process"] : ["signal"],
      );
      for (const key of Reflect.ownKeys(shared)) {
        const shownBy = (receiver: object): unknown => Reflect.get(shared, key, receiver);
        expect(Reflect.set(given, key, null)).toBe(false);
        expect(() => shownBy(Object.create(shared) as object)).toThrow(TypeError);
        expect(shownBy(other)).not.toBe(shownBy(given));
      }
    }
  });

  test("an action that throws shows no function in its stack", async () => {
    await world.grant("agent", "job:run:a");
    const functions: unknown[] = [];
    const was = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
    Error.prepareStackTrace = (error, sites) => {
      functions.push(...sites.map((site) => site.getFunction()), ...sites.map((site) => site.getThis()));
      return String(error);
    };
    try {
      await execute(world.context({ action: job(() => void new Error("x").stack) }));
    } finally {
      Object.defineProperty(Error, "prepareStackTrace", was ?? { value: undefined, writable: true });
    }
    expect(functions.length).toBeGreaterThan(0);
    expect(functions.every((each) => each === undefined || each === null)).toBe(true);
  });
});

test("a second pipeline on the same action shares nothing with the first", async () => {
  const other = await createPipeline({ database: ":memory:" });
  await world.grant("agent", "job:run:a");
  const context = world.context({ action });
  expect((await other.executor.executeStep(context)).status).toBe("denied");
  expect((await execute(context)).status).toBe("completed");
  await other.close();
});
