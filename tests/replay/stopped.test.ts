/** Steps that were stopped from outside, or whose process was gone: the same up to there, and no divergence. */
import { join } from "node:path";
import { rmSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineAction, type Handles } from "../../src/index.js";
import { textMember } from "../../src/model/event.js";
import { isDiverged, type StepReplay } from "../../src/replay/replay-log.js";
import { resumeWorkflow } from "../../src/workflow/resume.js";
import { crashActions } from "../crash/fixtures/crash-actions.js";
import { grantedFolder, openIn, startRun } from "../crash/fixtures/crash-world.js";
import { gate } from "../core/world.js";
import { run, workflow } from "../workflow/world.js";
import { divergenceOf, openRecording, powers, type RecordingWorld, type Run } from "./recorded.js";
import { replayDatabase } from "./replay-database.js";

interface Waiter {
  readonly running: Promise<void>;
  readonly body: Run;
}

/** One use, then it waits for its end, and then it tidies up with uses that come too late. */
function waiter(onStop: (handles: Handles) => Promise<unknown> = () => Promise.resolve()): Waiter {
  const running = gate();
  return {
    running: running.promise,
    body: async (_, handles, env) => {
      await handles.memory.set("notes/begun", 1);
      running.open();
      await new Promise((resolve) => env.signal.addEventListener("abort", resolve, { once: true }));
      await onStop(handles);
      return null;
    },
  };
}

const stops: readonly [string, (world: RecordingWorld) => Promise<unknown>][] = [
  [
    "revoked_while_running",
    async ({ pipeline }) => {
      const [binding] = await pipeline.bindingManager.listBindings();
      await pipeline.bindingManager.unbind(binding?.id ?? "");
    },
  ],
  [
    "revoked_while_running",
    ({ pipeline }) => pipeline.capabilityManager.suspend("agent", { by: "operator" }),
  ],
];

function expectStopped(replay: StepReplay, why: string, effects: number): void {
  expect(replay.decision).toEqual({ status: "identical" });
  expect(replay.execution).toEqual({ status: "identical_until_stopped", why, effects });
  expect(isDiverged(replay)).toBe(false);
}

describe("a step that was stopped", () => {
  test.each(stops)("%s", async (code, stop) => {
    const world = await openRecording();
    const { running, body } = waiter(({ memory }) => memory.set("notes/tidied", 1).catch(() => undefined));
    const result = world.record("s", body);
    await running;
    await stop(world);
    expect(await result).toMatchObject({ status: "failed" });
    expectStopped(await world.replay("s", waiter().body), `it was stopped: ${code}`, 1);
  });

  test("its deadline passed, or it was cancelled, while a use was under way too", async () => {
    for (const [code, options] of [
      ["deadline_exceeded", { deadlineMs: 300 }],
      ["cancelled", { signal: AbortSignal.timeout(300) }],
    ] as const) {
      const world = await openRecording();
      const { body } = waiter(async ({ memory }) => {
        await memory.get("notes/a").catch(() => undefined);
        throw new Error("tidied");
      });
      const action = defineAction({
        name: "job.run",
        replayable: true,
        requires: () => [...powers, `fs:read:${world.folder}/**`],
        run: body,
      });
      const context = world.context({ stepId: "s", requiredCapability: "memory:read:**", action });
      await world.pipeline.executor.executeStep(context, options);
      expectStopped(await world.replay("s", body), `it was stopped: ${code}`, 1);
    }
  });

  test("it never ended, and was abandoned with what it was given later", async () => {
    const world = await openRecording();
    const late = gate();
    const action = defineAction({
      name: "job.run",
      replayable: true,
      requires: () => [...powers, `fs:read:${world.folder}/**`],
      run: async (_, { memory }) => {
        await memory.get("notes/a");
        await late.promise;
        return "late";
      },
    });
    const context = world.context({ stepId: "s", requiredCapability: "memory:read:**", action });
    await world.pipeline.executor.executeStep(context, { deadlineMs: 100 });
    late.open();
    const again = await world.replay("s", async (_, { memory }) => {
      await memory.get("notes/a");
      return new Promise(() => undefined);
    });
    expectStopped(again, "it was stopped: deadline_exceeded", 1);
  });

  test("what it did before is compared all the same", async () => {
    const world = await openRecording();
    const { running, body } = waiter();
    const result = world.record("s", body);
    await running;
    await world.pipeline.capabilityManager.suspend("agent", { by: "operator" });
    await result;
    const other = await world.replay("s", (_, { memory }) => memory.set("notes/begun", 2));
    expect(divergenceOf(other)).toMatchObject({ kind: "effect" });
    const fewer = await world.replay("s", () => null);
    expect(divergenceOf(fewer)).toMatchObject({
      message: expect.stringContaining("not made any more") as string,
    });
  });

  test("one that was stopped before its action was called", async () => {
    const world = await openRecording();
    let calls = 0;
    const action = defineAction({
      name: "job.run",
      replayable: true,
      requires: () => [...powers, `fs:read:${world.folder}/**`],
      run: () => ++calls,
    });
    const context = world.context({ stepId: "s", requiredCapability: "memory:read:**", action });
    await world.pipeline.executor.executeStep(context, { signal: AbortSignal.abort() });
    expect(calls).toBe(0);
    const again = await world.replay("s", (_, { memory }) => memory.get("notes/a"));
    expectStopped(again, "it was stopped: cancelled", 1);
  });
});

describe("a step whose process was killed", () => {
  test(
    "is identical until then; the run is whole again once it was resumed",
    { timeout: 60_000 },
    async () => {
      const folder = await grantedFolder();
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const { child, said, ended } = startRun(folder, "hanging");
      await said("running");
      child.kill("SIGKILL");
      await ended;
      // As a replay knows it: the crash fixture's actions touch a file themselves, and are not replayable.
      const known = crashActions(folder).map(({ name }) =>
        defineAction<{ what: string }>({
          name,
          replayable: true,
          requires: ({ what }) =>
            name === "test.hang" ? "crm:update:a" : ["crm:update:a", `memory:write:notes/${what}`],
          run: async ({ what }, { memory }, env) => {
            if (name === "test.hang") {
              await new Promise((resolve) => env.signal.addEventListener("abort", resolve, { once: true }));
              return null;
            }
            await memory.set(`notes/${what}`, 1);
            return { what };
          },
        }),
      );
      const database = join(folder, "log.db");
      const before = await replayDatabase(database, folder, known);
      expect(before.map(({ step_id, execution }) => [step_id, execution?.status])).toEqual([
        ["first", "identical"],
        ["hang", "identical_until_stopped"],
      ]);
      const pipeline = await openIn(folder);
      process.env["SYNAPSE_TEST_HANG"] = "no";
      onTestFinished(() => void delete process.env["SYNAPSE_TEST_HANG"]);
      const [started] = await pipeline.audit.getEvents({ event: "run_started" });
      await resumeWorkflow({
        pipeline,
        runId: textMember(started ?? {}, "run_id"),
        acceptAsFailed: ["hang"],
        by: "operator",
      });
      await pipeline.close();
      const after = await replayDatabase(database, folder, known);
      expect(after.map(({ step_id, execution }) => [step_id, execution?.status])).toEqual([
        ["first", "identical"],
        ["hang", "identical_until_stopped"],
        ["last", "identical"],
      ]);
      expect(after[1]?.execution).toMatchObject({ why: "its outcome is unknown" });
    },
  );
});

describe("tries", () => {
  test("each is replayed on its own, with its own decision", async () => {
    let tries = 0;
    const flaky = defineAction({
      name: "job.flaky",
      idempotent: true,
      replayable: true,
      requires: () => ["memory:read:notes/try"],
      run: async (_, { memory }) => {
        const { value } = await memory.get("notes/try");
        if (value === null) throw new Error("not yet");
        return value;
      },
    });
    const world = await openRecording({ actions: [flaky] });
    world.pipeline.audit.onEvent((event) => {
      if (event.event === "step_execution_completed" && tries++ === 0)
        void world.record("put", (_, { memory }) => memory.set("notes/try", 7));
    });
    await run(
      world.pipeline,
      workflow([
        {
          id: "try",
          agent: "agent",
          action: "job.flaky",
          with: {},
          retry: { attempts: 2, delay: "200ms" },
        },
      ]),
    );
    const replays = await replayDatabase(world.database, world.folder, [flaky]);
    expect(
      replays
        .filter(({ step_id }) => step_id === "try")
        .map(({ attempt, decision, execution }) => [attempt, decision.status, execution?.status]),
    ).toEqual([
      [1, "identical", "identical"],
      [2, "identical", "identical"],
    ]);
  });
});
