import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Action,
  type ActionDefinition,
  ActionRegistry,
  defineAction,
  type ExecutionResult,
} from "../../src/index.js";
import { DenialBackoff } from "../../src/core/backoff.js";
import { job, openWorld, stepEvents, type World } from "./world.js";

let world: World;
let runs: number;
beforeEach(async () => {
  world = await openWorld();
  runs = 0;
});
afterEach(() => world.close());

const execute = (
  action: Action,
  fields: Partial<Parameters<World["context"]>[0]> = {},
): Promise<ExecutionResult> => world.pipeline.executor.executeStep(world.context({ action, ...fields }));

const requiring = (requires: unknown, more: Partial<ActionDefinition> = {}) =>
  job(() => ++runs, { requires: requires as ActionDefinition["requires"], ...more });

describe("what an action says it requires (G3)", () => {
  const hostile = (value: unknown) => () => {
    throw value;
  };
  class Lying extends Array<string> {
    override map = (() => []) as never;
  }
  const answers: [string, unknown, string][] = [
    ["another thing than the step asked for", () => "job:run:b", "capability_mismatch"],
    ["more than the step asked for", () => "job:run:**", "capability_mismatch"],
    ["every action", () => "job:*:a", "invalid_capability"],
    ["nothing", () => [], "invalid_capability"],
    ["undefined", () => undefined, "invalid_capability"],
    ["null", () => null, "invalid_capability"],
    ["a number", () => 7, "invalid_capability"],
    ["an object that turns into text", () => ({ toString: () => "job:run:a" }), "invalid_capability"],
    ["a promise", () => Promise.resolve("job:run:a"), "invalid_capability"],
    ["an empty text", () => "", "invalid_capability"],
    ["text that is no capability", () => "run anything", "invalid_capability"],
    ["a lone surrogate", () => "job:run:\ud800", "invalid_capability"],
    ["a list with a hole", () => Object.assign([], { 1: "job:run:a" }), "invalid_capability"],
    ["a list in a list", () => [["job:run:a"]], "invalid_capability"],
    [
      "a list with a getter",
      () => Object.defineProperty(["x"], 0, { get: () => "job:run:a" }),
      "invalid_capability",
    ],
    ["a list of a class that maps to nothing", () => new Lying("job:run:b"), "capability_mismatch"],
    ["21 things", () => Array.from({ length: 21 }, () => "job:run:a"), "invalid_capability"],
    [
      "things whose names are 8,193 characters together",
      () => Array.from({ length: 9 }, (_, index) => `job:run:${"a".repeat(index === 8 ? 897 : 903)}`),
      "invalid_capability",
    ],
    ["a million things", () => Array.from({ length: 1e6 }, () => "job:run:a"), "invalid_capability"],
    ["an error", hostile(new Error("no")), "invalid_capability"],
    [
      "an error without a text",
      hostile(Object.defineProperty(new Error(), "message", { get: hostile(1) })),
      "invalid_capability",
    ],
    ["an object that cannot be shown", hostile({ toString: hostile(1) }), "invalid_capability"],
    ["an object without a prototype", hostile(Object.create(null)), "invalid_capability"],
    [
      "a proxy that cannot be asked what it is",
      hostile(new Proxy({}, { getPrototypeOf: hostile(1) })),
      "invalid_capability",
    ],
    [
      "text with half a character at the cut",
      hostile(new Error(`${"x".repeat(1_999)}😀`)),
      "invalid_capability",
    ],
  ];
  test.each(answers)("%s: denied with a record, and not run", async (_name, requires, reason) => {
    await world.grant("agent", "job:*:**");
    expect(await execute(requiring(requires))).toMatchObject({ status: "denied", reason });
    expect(stepEvents(world.committed())).toEqual(["requested", "denied"]);
    expect(world.committed().at(-1)).toMatchObject({ reason });
    expect(runs).toBe(0);
  });

  test("it is asked once, so that it cannot change its mind", async () => {
    await world.grant("agent", "job:run:a");
    let asked = 0;
    const action = requiring(() => (++asked === 1 ? "job:run:a" : "job:run:everything"));
    expect(await execute(action)).toMatchObject({ status: "completed" });
    expect(asked).toBe(1);
  });

  test("a list that changes after it was given is the list that was given", async () => {
    await world.grant("agent", "job:run:a");
    const list = ["job:run:a"];
    const action = requiring(() => {
      queueMicrotask(() => list.push("job:run:b"));
      return list;
    });
    expect(await execute(action)).toMatchObject({ status: "completed" });
    expect(world.committed()[2]).toMatchObject({ requirements: ["job:run:a"] });
  });

  test("it sees the parameters that the action gets: prepared, copied, frozen", async () => {
    await world.grant("agent", "job:run:a");
    const seen: unknown[] = [];
    const prepared = { list: [1] };
    const action = defineAction<{ n: number }>({
      name: "job.run",
      params: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      prepare: (params, { workingFolder }) => ({ ...params, ...prepared, workingFolder }),
      requires: (params) => {
        seen.push(params);
        prepared.list.push(2);
        return "job:run:a";
      },
      run: (params) => {
        seen.push(params);
        return params;
      },
    });
    const result = await execute(action, { actionParams: { n: 1 } });
    expect(result).toMatchObject({ output: { n: 1, list: [1], workingFolder: world.folder } });
    expect(seen[0]).toBe(seen[1]);
    expect(Object.isFrozen(seen[0])).toBe(true);
  });

  test("parameters that do not fit its schema, or what prepare makes of them", async () => {
    await world.grant("agent", "job:run:a");
    const params = {
      type: "object",
      properties: { n: { type: "integer" } },
      required: ["n"],
      additionalProperties: false,
    };
    const strict = requiring(() => "job:run:a", { params });
    for (const actionParams of [{}, { n: "1" }, { n: 1, m: 2 }]) {
      expect(await execute(strict, { actionParams })).toMatchObject({
        status: "denied",
        reason: "invalid_context",
      });
    }
    const prepares: unknown[] = [
      () => [],
      () => null,
      () => ({ f: () => 1 }),
      () => {
        throw new Error("no");
      },
    ];
    for (const prepare of prepares as NonNullable<ActionDefinition["prepare"]>[]) {
      expect(await execute(requiring(() => "job:run:a", { prepare }))).toMatchObject({ status: "denied" });
    }
    expect(runs).toBe(0);
    expect(new Set(stepEvents(world.committed()))).toEqual(new Set(["requested", "denied"]));
  });
});

describe("the context's own ceiling (A4)", () => {
  test.each([
    ["job:run:a", undefined, "completed"],
    ["job:run:*", undefined, "completed"],
    ["job:run", undefined, "completed"],
    ["job:run:b", undefined, "capability_mismatch"],
    ["job:stop:a", undefined, "capability_mismatch"],
    ["job:run:*", "a", "completed"],
    ["job:run:*", "b", "capability_mismatch"],
    ["job:run:b", "a", "capability_mismatch"],
    ["job:*:a", undefined, "invalid_capability"],
    ["not a capability", undefined, "invalid_capability"],
    ["job:run:a", "../b", "invalid_capability"],
    [`job:run:${"x".repeat(1_023 - 8)}😀😀`, undefined, "invalid_capability"],
  ])("%s within %s", async (requiredCapability, capabilityScope, outcome) => {
    await world.grant("agent", "job:*:**");
    const result = await execute(job(), { requiredCapability, capabilityScope });
    expect(result.status === "denied" ? result.reason : result.status).toBe(outcome);
    expect(stepEvents(world.committed())).toHaveLength(outcome === "completed" ? 3 : 2);
  });

  test("a scope is checked together with the binding, not pairwise", async () => {
    await world.grant("agent", "job:run:**", { scope: "a" });
    expect(await execute(job(), { requiredCapability: "job:run:**" })).toMatchObject({ status: "completed" });
    expect(
      await execute(
        requiring(() => "job:run:b"),
        { requiredCapability: "job:run:**" },
      ),
    ).toMatchObject({
      status: "denied",
      reason: "scope_exceeded",
    });
  });
});

test("the largest request there can be still fits into its events (D4)", async () => {
  const control = "\u0001";
  const wide = "\uffdc";
  const texts = Array.from({ length: 8 }, (_, index) => `job:run:${wide.repeat(1_000)}${index}`);
  const fields = {
    workflowId: "w".repeat(128),
    stepId: "s".repeat(128),
    agentId: "a".repeat(128),
    auditReference: control.repeat(1_024),
    traceId: control.repeat(256),
    executionSeed: control.repeat(256),
  };
  const understood = await execute(
    requiring(() => texts),
    {
      ...fields,
      requiredCapability: texts[0] ?? "",
      capabilityScope: `${wide.repeat(1_000)}0`,
    },
  );
  expect(understood).toMatchObject({ status: "denied", reason: "no_capability" });
  const not = await execute(
    requiring(() => {
      throw new Error(control.repeat(10_000));
    }),
    {
      ...fields,
      requiredCapability: control.repeat(2_048),
      capabilityScope: control.repeat(2_048),
    },
  );
  expect(not).toMatchObject({ status: "denied", reason: "invalid_capability" });
  expect(stepEvents(world.committed())).toEqual(["requested", "denied", "requested", "denied"]);
});

test.each(["", "x"])("an explanation that is cut inside a character is still recorded (%j)", async (pad) => {
  const when = `"${pad}${"😀".repeat(2_030)}" == "x"`;
  await world.grant("agent", "job:run:a", { constraints: { when } });
  const result = await execute(job());
  expect(result).toMatchObject({ status: "denied", reason: "constraint_violated" });
  expect(result.status === "denied" && result.explanation.isWellFormed()).toBe(true);
  expect(stepEvents(world.committed())).toEqual(["requested", "denied"]);
});

describe("actions are defined once and for all (G1)", () => {
  const run = () => 1;
  const requires = () => "job:run:a";
  test.each<[string, object]>([
    ["no name", { requires, run }],
    ["a name with a space", { name: "a b", requires, run }],
    ["a name that is a path", { name: "../a", requires, run }],
    ["no function", { name: "a", requires }],
    ["no requirement at all", { name: "a", run }],
    ["a requirement that is no function", { name: "a", requires: "job:run:a", run }],
  ])("%s is a TypeError", (_name, definition) => {
    expect(() => defineAction(definition as never)).toThrow(TypeError);
  });

  test("a schema that is none is refused where it is written", () => {
    const define = () => defineAction({ name: "a", requires, run, params: { type: "no such type" } });
    expect(define).toThrow(
      expect.objectContaining({ name: "InvalidConstraintError", code: "invalid_constraint" }),
    );
  });

  test("changing the definition afterwards changes nothing", async () => {
    await world.grant("agent", "job:run:a");
    const definition = { name: "job.run", requires, run: (): unknown => "first" };
    const action = defineAction(definition);
    definition.run = () => "second";
    definition.requires = () => "job:run:b";
    expect(await execute(action)).toMatchObject({ status: "completed", output: "first" });
    expect(Object.isFrozen(action)).toBe(true);
    expect(Object.keys(action)).toEqual(["name", "idempotent", "replayable"]);
    expect(action).toMatchObject({ name: "job.run", idempotent: false, replayable: false });
  });

  test("its function gets no `this`", async () => {
    await world.grant("agent", "job:run:a");
    const action = job(function (this: unknown) {
      return this === undefined;
    });
    expect(await execute(action)).toMatchObject({ output: true });
  });

  test("a registry takes genuine actions, each name once", () => {
    const registry = new ActionRegistry([job()]);
    expect(() => registry.register(job())).toThrow(TypeError);
    expect(registry.names()).toEqual(["job.run"]);
    expect(registry.get("toString")).toBeUndefined();
  });
});

describe("denials over and over (D9)", () => {
  test("64 are free, each further one waits a millisecond longer, up to 100, and a success clears it", async () => {
    vi.useFakeTimers();
    try {
      const backoff = new DenialBackoff();
      const waited = async (agent: string): Promise<number> => {
        const start = Date.now();
        const waiting = backoff.wait(agent).then(() => Date.now() - start);
        await vi.runAllTimersAsync();
        return waiting;
      };
      for (let n = 0; n < 64; n++) backoff.note("agent", false);
      expect(await waited("agent")).toBe(0);
      backoff.note("agent", false);
      expect(await waited("agent")).toBe(1);
      for (let n = 0; n < 500; n++) backoff.note("agent", false);
      expect(await waited("agent")).toBe(100);
      expect(await waited("other")).toBe(0);
      // Names that nobody bears do not make it forget one that goes on, and are forgotten themselves.
      for (let n = 0; n < 164; n++) backoff.note("name-0", false);
      for (let n = 1; n <= 10_000; n++) {
        backoff.note(`name-${n}`, false);
        if (n % 1_000 === 0) backoff.note("agent", false);
      }
      expect(await waited("agent")).toBe(100);
      expect(await waited("name-0")).toBe(0);
      backoff.note("agent", true);
      expect(await waited("agent")).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test("guard and enforcer wait for an agent that is denied over and over, and for no other", async () => {
    const { executor, permissionEnforcer } = world.pipeline;
    const denied = world.context({ action: job() });
    const check = { agentId: "agent", capability: "job:run:a" };
    for (let n = 0; n < 65; n++) await executor.executeStep(denied);
    for (let n = 0; n < 65; n++) await permissionEnforcer.enforce(check);
    const timers = vi.spyOn(globalThis, "setTimeout");
    const delays = () => timers.mock.calls.map(([, ms]) => ms);
    try {
      await executor.executeStep(denied);
      expect(delays()).toEqual([1]);
      await permissionEnforcer.enforce(check);
      expect(delays()).toEqual([1, 1]);
      await executor.executeStep(world.context({ action: job(), agentId: "other" }));
      await permissionEnforcer.enforce({ ...check, agentId: "other" });
      expect(delays()).toEqual([1, 1]);
    } finally {
      timers.mockRestore();
    }
  });

  test("none of them is dropped from the log", async () => {
    const results = await Promise.all(Array.from({ length: 200 }, () => execute(job())));
    expect(results.every(({ status }) => status === "denied")).toBe(true);
    const names = stepEvents(world.committed());
    expect(names.filter((name) => name === "denied")).toHaveLength(200);
    await Promise.all(
      Array.from({ length: 10 }, () => world.pipeline.forAgent("agent").may({ capability: "job:run:a" })),
    );
    expect(world.committed().filter(({ event }) => event === "capability_denied")).toHaveLength(10);
  });
});
