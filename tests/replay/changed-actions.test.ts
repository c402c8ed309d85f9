/** An action whose code changed: told as a divergence with both sides; never a crash, never without an end. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { divergenceOf, openRecording, type Run } from "./recorded.js";

const then: Run = async (_, { memory }) => {
  await memory.set("notes/a", 1);
  const { value } = await memory.get("notes/a");
  return { value };
};
const setA = { effect: "memory.set", capabilities: ["memory:write:notes/a"] };
const getA = { effect: "memory.get", capabilities: ["memory:read:notes/a"] };

interface Change {
  readonly name: string;
  readonly now: Run;
  readonly kind: "effect" | "outcome";
  readonly message: RegExp;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

const changes: readonly Change[] = [
  {
    name: "another resource",
    now: async (_, { memory }) => memory.set("notes/b", 1),
    kind: "effect",
    message: /^use 1 of a handle differs: another capability$/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: {
      effect: "memory.set",
      capabilities: ["memory:write:notes/b"],
      request: { key: "notes/b", value: 1 },
    },
  },
  {
    name: "another request",
    now: async (_, { memory }) => memory.set("notes/a", 2),
    kind: "effect",
    message: /^use 1 of a handle differs: another request$/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: { ...setA, request: { key: "notes/a", value: 2 } },
  },
  {
    name: "another method, in another order",
    now: async (_, { memory }) => {
      await memory.get("notes/a");
      return memory.set("notes/a", 1);
    },
    kind: "effect",
    message: /^use 1 of a handle differs: another method$/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: { ...getA, request: { key: "notes/a" } },
  },
  {
    name: "two at once that were one after the other",
    now: async (_, { memory }) => {
      const [, { value }] = await Promise.all([memory.get("notes/a"), memory.get("notes/a")]);
      return { value };
    },
    kind: "effect",
    message: /^use 1 of a handle differs/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: { ...getA, request: { key: "notes/a" } },
  },
  {
    name: "one use more",
    now: async (params, handles, env) => {
      const output = await then(params, handles, env);
      await handles.memory.get("notes/more");
      return output;
    },
    kind: "effect",
    message: /^use 3 of a handle was never made$/,
    recorded: null,
    replayed: {
      effect: "memory.get",
      capabilities: ["memory:read:notes/more"],
      request: { key: "notes/more" },
    },
  },
  {
    name: "one use fewer, and the same output",
    now: async (_, { memory }) => {
      await memory.set("notes/a", 1);
      return { value: 1 };
    },
    kind: "effect",
    message: /^use 2 of a handle \(memory\.get\) is not made any more$/,
    recorded: { ...getA, request: { key: "notes/a" } },
    replayed: null,
  },
  {
    name: "no use at all",
    now: () => ({ value: 1 }),
    kind: "effect",
    message: /^use 1 of a handle \(memory\.set\) is not made any more$/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: null,
  },
  {
    name: "another output",
    now: async (params, handles, env) => {
      await then(params, handles, env);
      return { value: 2 };
    },
    kind: "outcome",
    message: /^it gives another output$/,
    recorded: { output: { value: 1 } },
    replayed: { output: { value: 2 } },
  },
  {
    name: "a failure in place of an output",
    now: async (params, handles, env) => {
      await then(params, handles, env);
      throw new Error("\u001b[31mno");
    },
    kind: "outcome",
    message: /^it fails with `action_failed` now$/,
    recorded: { output: { value: 1 } },
    replayed: { code: "action_failed", message: expect.stringContaining("no") as string },
  },
  {
    name: "an output that is no JSON",
    now: async (params, handles, env) => {
      await then(params, handles, env);
      return () => 1;
    },
    kind: "outcome",
    message: /^it fails with `output_invalid` now$/,
    recorded: { output: { value: 1 } },
    replayed: { code: "output_invalid", message: expect.stringContaining("function") as string },
  },
  {
    name: "an answer that it never asks for is waited for, by nothing",
    now: async (params, handles, env) => {
      await then(params, handles, env);
      return new Promise(() => undefined);
    },
    kind: "outcome",
    message: /^the action does not end within 600 ms$/,
    recorded: null,
    replayed: null,
  },
  {
    name: "a tower of refusals that it does not take for an answer",
    now: async (_, { memory }) => {
      for (;;) {
        try {
          return await memory.get("notes/other");
        } catch {
          // Again, and again.
        }
      }
    },
    kind: "effect",
    message: /^use 1 of a handle differs: another method$/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: {
      effect: "memory.get",
      capabilities: ["memory:read:notes/other"],
      request: { key: "notes/other" },
    },
  },
  {
    name: "uses that nobody waits for",
    now: (_, { memory }) => {
      void memory.get("notes/x");
      void memory.get("notes/y");
      return { value: 1 };
    },
    kind: "effect",
    message: /^use 1 of a handle differs/,
    recorded: { ...setA, request: { key: "notes/a", value: 1 } },
    replayed: {
      effect: "memory.get",
      capabilities: ["memory:read:notes/x"],
      request: { key: "notes/x" },
    },
  },
];

describe("an action that was changed", () => {
  test.each(changes)("$name", async ({ now, kind, message, recorded, replayed }) => {
    const world = await openRecording();
    const result = await world.record("s", then);
    expect(result).toMatchObject({ status: "completed" });
    expect((await world.replay("s", then)).execution).toEqual({ status: "identical", effects: 2 });
    const divergence = divergenceOf(await world.replay("s", now));
    expect(divergence).toEqual({
      kind,
      message: expect.stringMatching(message) as string,
      recorded,
      replayed,
    });
  });

  test("uses made at once, in another order", async () => {
    const world = await openRecording();
    const uses: Run = async (_, { memory }) => {
      await Promise.all([memory.set("notes/a", 1), memory.get("notes/a")]);
      return 1;
    };
    const swapped: Run = async (_, { memory }) => {
      await Promise.all([memory.get("notes/a"), memory.set("notes/a", 1)]);
      return 1;
    };
    await world.record("s", uses);
    expect((await world.replay("s", uses)).execution).toEqual({ status: "identical", effects: 2 });
    expect(divergenceOf(await world.replay("s", swapped))).toMatchObject({
      kind: "effect",
      message: "use 1 of a handle differs: another method",
      recorded: setA,
      replayed: getA,
    });
  });

  test("a use that waits for one that is not made any more: told after the stall limit", async () => {
    const world = await openRecording();
    writeFileSync(join(world.folder, "slow"), "x".repeat(1_000_000));
    await world.record("s", async (_, { memory, fs }) => {
      const file = fs.read(join(world.folder, "slow"));
      await memory.get("notes/a");
      await file;
      return 1;
    });
    const again = await world.replay("s", async (_, { fs }) => {
      await fs.read(join(world.folder, "slow"));
      return 1;
    });
    expect(divergenceOf(again)).toMatchObject({
      kind: "effect",
      message: "use 2 of a handle was made next, and the action does not make it",
      recorded: getA,
      replayed: null,
    });
  });

  test("it requires something else, or cannot say what: both sides", async () => {
    const world = await openRecording();
    await world.record("s", then);
    const other = await world.replay("s", then, { requires: () => "memory:read:notes/a" });
    expect(divergenceOf(other)).toMatchObject({
      kind: "requirements",
      recorded: expect.arrayContaining(["memory:read:**"]) as string[],
      replayed: ["memory:read:notes/a"],
    });
    const fewer = await world.replay("s", then, {
      requires: () => ["memory:read:**", "memory:write:notes/**"],
    });
    expect(divergenceOf(fewer).kind).toBe("requirements");
    const thrower = () => {
      throw new Error("lost");
    };
    expect(divergenceOf(await world.replay("s", then, { requires: thrower }))).toMatchObject({
      kind: "requirements",
      replayed: ["lost"],
    });
  });

  test("it failed then and gives something now; it failed otherwise then", async () => {
    const world = await openRecording();
    const failing: Run = (_, { fs }) => fs.read(join(world.folder, "missing"));
    expect(await world.record("s", failing)).toMatchObject({ status: "failed" });
    expect((await world.replay("s", failing)).execution).toEqual({ status: "identical", effects: 1 });
    const caught = await world.replay("s", async (_, { fs }) =>
      fs.read(join(world.folder, "missing")).catch(() => 7),
    );
    expect(divergenceOf(caught)).toMatchObject({
      kind: "outcome",
      message: "it failed with `not_found` then",
      recorded: { code: "not_found" },
      replayed: { output: 7 },
    });
    const otherwise = await world.replay("s", async (_, { fs }) => {
      await fs.read(join(world.folder, "missing")).catch(() => undefined);
      throw new Error("otherwise");
    });
    expect(divergenceOf(otherwise)).toMatchObject({
      kind: "outcome",
      recorded: { code: "not_found" },
      replayed: { code: "action_failed" },
    });
  });
});

describe("an action that cannot be run again", () => {
  test("is not called: unknown here, or not marked as replayable; its decision is compared", async () => {
    const world = await openRecording();
    let calls = 0;
    const counting: Run = () => ++calls;
    await world.record("s", counting, { replayable: false });
    expect(calls).toBe(1);
    for (const more of [{ replayable: false }, { name: "job.other" }]) {
      const replay = await world.replay("s", counting, more);
      expect(replay.decision).toEqual({ status: "identical" });
      expect(replay.execution).toMatchObject({
        status: "not_replayed",
        why: expect.stringContaining("job.run") as string,
      });
    }
    expect(calls).toBe(1);
  });

  test("`constructor` and its like are names of nothing", async () => {
    const world = await openRecording();
    await world.record("s", () => 1);
    const replay = await world.replay("s", () => 1, { name: "constructor" });
    expect(replay.execution).toMatchObject({ status: "not_replayed" });
  });
});

describe("what an action is told", () => {
  test("answers and refusals are the same values: members in order, frozen, code and message", async () => {
    const world = await openRecording();
    writeFileSync(join(world.folder, "f"), "text");
    const telling: Run = async (_, { memory, fs }) => {
      const told: unknown[] = [];
      const note = async (use: () => Promise<unknown>): Promise<void> => {
        try {
          const answer = await use();
          told.push([JSON.stringify(answer), Object.isFrozen(answer)]);
        } catch (error) {
          const { code, message } = error as { readonly code: string; readonly message: string };
          told.push([code, message]);
        }
      };
      await note(() => memory.set("notes/a", { z: { y: 1, b: [2] }, a: 1 }));
      await note(() => memory.get("notes/a"));
      await note(() => fs.read(join(world.folder, "f")));
      await note(() => fs.list(join(world.folder, "f")));
      await note(() => fs.read(join(world.folder, "g")));
      await note(() => memory.set("private/a", 1));
      await note(() => memory.get("notes/../a"));
      return JSON.parse(JSON.stringify(told)) as never;
    };
    const result = await world.record("s", telling);
    expect(result).toMatchObject({
      status: "completed",
      output: [
        ['{"stored":true}', true],
        ['{"value":{"a":1,"z":{"b":[2],"y":1}}}', true],
        ['{"text":"text"}', true],
        ["outside_authority", expect.stringContaining("fs:list") as string],
        ["not_found", expect.stringContaining("g") as string],
        ["outside_authority", expect.stringContaining("private/a") as string],
        ["invalid_capability", expect.stringContaining("notes/../a") as string],
      ],
    });
    expect((await world.replay("s", telling)).execution).toEqual({ status: "identical", effects: 6 });
  });

  test("time, chance and the names of the step are the recorded ones", async () => {
    const world = await openRecording();
    const seen: Run = (_, __, env) => [
      env.now(),
      env.now(),
      env.random(),
      env.uuid(),
      env.agentId,
      env.workflowId,
      env.stepId,
      env.signal.aborted,
    ];
    await world.record("s", seen);
    expect((await world.replay("s", seen)).execution).toEqual({ status: "identical", effects: 0 });
  });

  test("an output over its limit is over it again; no comparison is made of what was never kept", async () => {
    const world = await openRecording();
    const large: Run = () => "x".repeat(17 * 1024 * 1024);
    expect(await world.record("s", large)).toMatchObject({ status: "failed" });
    expect(world.committed().at(-1)).toMatchObject({ code: expect.stringMatching(/^output_/) as string });
    expect((await world.replay("s", large)).execution).toMatchObject({ status: "identical" });
  });
});
