import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createPipeline,
  defineAction,
  EffectDeniedError,
  type ExecutionResult,
  type Handles,
  type Pipeline,
  type StepOptions,
} from "../../src/index.js";
import { ledgerOf } from "../../src/core/audit.js";
import { RunningStep, RunningSteps } from "../../src/core/running-steps.js";
import type { BindingRecord } from "../../src/model/authority.js";
import { gate, job, openWorld, stepEvents, type World } from "./world.js";

let world: World;
let granted: { readonly contractId: string; readonly bindingId: string };
beforeEach(async () => {
  world = await openWorld();
  granted = await world.grant("agent", "job:run:a");
});
afterEach(() => world.close());

test("a signal that is first asked for after the step was stopped is aborted, and says why", () => {
  const step = new RunningStep("req_1", "agent", []);
  step.end({ code: "cancelled", message: "the step was cancelled" });
  expect(step.signal.aborted).toBe(true);
  expect(step.signal.reason).toMatchObject({ message: "the step was cancelled" });
  expect(step.signal).toBe(step.signal);
});

type Run = Parameters<typeof job>[0];

/** Starts a step and waits until its action has been entered. */
async function started(run: NonNullable<Run>, options: StepOptions = {}, requires = "job:run:a") {
  const entered = gate<Handles>();
  const action = defineAction({
    name: "job.run",
    requires: () => requires,
    run: (params, handles, env) => {
      entered.open(handles);
      return run(params, handles, env);
    },
  });
  const result = world.pipeline.executor.executeStep(
    world.context({ action, requiredCapability: requires }),
    options,
  );
  return { result, handles: await entered.promise };
}

const untilAborted: NonNullable<Run> = (_params, _handles, env) =>
  new Promise((_resolve, reject) => {
    env.signal.addEventListener("abort", () => reject(env.signal.reason as Error));
  });

const never: NonNullable<Run> = () => new Promise(() => undefined);

const lastEvent = () => world.committed().at(-1);
const expectStopped = (result: ExecutionResult, code: string) => {
  expect(result).toMatchObject({ status: "failed", error: { code } });
  expect(result).not.toHaveProperty("output");
  expect(world.committed().filter(({ event }) => event === "step_execution_completed")).toMatchObject([
    { result: "failure", code },
  ]);
};

describe("authority that ends while its step runs (D7)", () => {
  const endings: [string, () => Promise<unknown>][] = [
    ["the binding is revoked", () => world.pipeline.bindingManager.unbind(granted.bindingId)],
    ["the contract is revoked", () => world.pipeline.capabilityManager.revoke(granted.contractId)],
    ["the agent is suspended", () => world.pipeline.capabilityManager.suspend("agent", { by: "operator" })],
  ];

  test.each(endings)("%s: an action that heeds its signal is stopped", async (_name, end) => {
    const { result } = await started(untilAborted);
    expect(await end()).toBe(true);
    expectStopped(await result, "revoked_while_running");
  });

  test.each(endings)("%s: handles are dead before the call returns", async (_name, end) => {
    await world.grant("agent", "memory:write:notes/**");
    const action = gate();
    const { result, handles } = await started(() => action.promise, {}, "memory:write:notes/a");
    await handles.memory.set("notes/a", 1);
    if (_name === "the agent is suspended") {
      await end();
    } else {
      const [binding] = (await world.pipeline.bindingManager.getBindings("agent")).filter(
        ({ capability }) => capability === "memory:write:notes/**",
      );
      if (_name === "the binding is revoked") await world.pipeline.bindingManager.unbind(binding?.id ?? "");
      else await world.pipeline.capabilityManager.revoke(binding?.contractId ?? "");
    }
    await expect(handles.memory.set("notes/a", 2)).rejects.toMatchObject({
      name: "EffectDeniedError",
      code: "revoked_while_running",
    });
    action.open();
    expectStopped(await result, "revoked_while_running");
    const effects = world.committed().filter(({ event }) => event.startsWith("effect_"));
    expect(effects.map(({ event }) => event)).toEqual([
      "effect_attempted",
      "effect_performed",
      "effect_denied",
    ]);
  });

  test.each(endings)(
    "%s: what an action that ignored it returns is recorded, not delivered",
    async (_name, end) => {
      const action = gate<string>();
      const { result } = await started(() => action.promise);
      await end();
      action.open("too late");
      expectStopped(await result, "revoked_while_running");
      expect(lastEvent()).toMatchObject({
        late_output_commitment: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      });
      expect(lastEvent()).not.toHaveProperty("output_commitment");
    },
  );

  test.each(endings)(
    "%s: an action that never ends is given up, its late value refused and recorded",
    async (_name, end) => {
      const action = gate<string>();
      const { result } = await started(() => action.promise);
      await end();
      expectStopped(await result, "revoked_while_running");
      expect(lastEvent()).toMatchObject({ event: "step_execution_completed", abandoned: true });
      action.open("much too late");
      await world.pipeline.audit.emitEvent("x_marker");
      await world.pipeline.audit.emitEvent("x_marker");
      expect(world.committed().filter(({ event }) => event === "effect_denied")).toMatchObject([
        { effect: "result", reason: "revoked_while_running", step_id: "step" },
      ]);
    },
  );

  test.each(endings)("%s: its signal is aborted before the call returns", async (_name, end) => {
    let signal: AbortSignal | undefined;
    const { result } = await started((_params, _handles, env) => {
      signal = env.signal;
      return untilAborted(_params, _handles, env);
    });
    expect(signal?.aborted).toBe(false);
    await end();
    expect(signal?.aborted).toBe(true);
    await result;
  });

  test("an ancestor is revoked, two delegations above", async () => {
    const above = await world.grant("lead", "job:run:**", { delegable: true });
    const delegate = (agentId: string, parentId: string, delegable: boolean) =>
      world.pipeline.bindingManager.bind({
        agentId,
        capability: "job:run:b",
        createdBy: "lead",
        parentId,
        delegable,
      });
    const middle = await delegate("middle", above.bindingId, true);
    await delegate("agent", middle.id, false);
    let signal: AbortSignal | undefined;
    const { result } = await started(
      (params, handles, env) => {
        signal = env.signal;
        return untilAborted(params, handles, env);
      },
      {},
      "job:run:b",
    );
    await world.pipeline.bindingManager.unbind(above.bindingId);
    expect(signal?.aborted).toBe(true);
    expectStopped(await result, "revoked_while_running");
  });

  test("a revocation by another process stops it too", async () => {
    const { result } = await started(untilAborted);
    const other = await createPipeline({ database: world.database });
    await other.bindingManager.unbind(granted.bindingId);
    expectStopped(await result, "revoked_while_running");
    await other.close();
  });

  test("an unrelated revocation, and suspending another agent, stop nothing", async () => {
    const unrelated = await world.grant("agent", "job:run:b");
    const action = gate<string>();
    const { result } = await started(() => action.promise);
    await world.pipeline.bindingManager.unbind(unrelated.bindingId);
    await world.pipeline.capabilityManager.suspend("agent-2", { by: "operator" });
    action.open("fine");
    expect(await result).toMatchObject({ status: "completed", output: "fine" });
  });

  test("of many steps it stops those that still run, whichever ended before and in whatever order", async () => {
    const ledger = ledgerOf(world.pipeline.audit);
    const running = new RunningSteps(ledger);
    const binding = ledger.state.binding(granted.bindingId) as BindingRecord;
    const steps = Array.from({ length: 12 }, (_, n) => new RunningStep(`req-${n}`, "agent", [binding]));
    for (const step of steps) running.add(step);
    const ended = [11, 0, 5, 6, 10, 1, 1].map((n) => steps[n] as RunningStep);
    for (const step of ended) running.remove(step);
    // Whoever is stopped may be gone, with others, before the next one is looked at.
    steps[8]?.signal.addEventListener("abort", () => {
      for (const n of [8, 9]) running.remove(steps[n] as RunningStep);
    });
    await world.pipeline.bindingManager.unbind(granted.bindingId);
    for (const step of steps)
      expect(step.stop?.code).toBe(ended.includes(step) ? undefined : "revoked_while_running");
    // What has ended keeps nothing else alive.
    for (const { earlier, later } of ended) expect([earlier, later]).toEqual([undefined, undefined]);
  });

  test("a second binding does not carry a step that was authorised by the first", async () => {
    await world.grant("agent", "job:run:a");
    const { result } = await started(untilAborted);
    await world.pipeline.bindingManager.unbind(granted.bindingId);
    expectStopped(await result, "revoked_while_running");
    expect(await world.pipeline.executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "completed",
    });
  });

  test("a suspension ends with unsuspend, and revives nothing that was stopped", async () => {
    const { capabilityManager, executor } = world.pipeline;
    const { result } = await started(untilAborted);
    await capabilityManager.suspend("agent", { by: "operator" });
    expect(await executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "denied",
      reason: "agent_suspended",
    });
    expect(await capabilityManager.suspend("agent", { by: "operator" })).toBe(false);
    expect(await capabilityManager.unsuspend("agent", { by: "operator" })).toBe(true);
    expectStopped(await result, "revoked_while_running");
    expect(await executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "completed",
    });
  });
});

describe("expiry (D7, D8)", () => {
  /** A pipeline whose clock the test moves. */
  async function clocked() {
    await world.close();
    const clock = { at: Date.parse("2026-01-01T00:00:00Z"), now: () => clock.at };
    world = await openWorld({ clock });
    granted = await world.grant("agent", "job:run:a", { expiresAt: "1m" });
    await world.grant("agent", "memory:write:notes/**", { expiresAt: "1m" });
    return clock;
  }

  test("a binding that expires between its decision and its start does not start", async () => {
    const clock = await clocked();
    let runs = 0;
    // The first to hear of the durable decision moves the clock, before the guard goes on.
    world.pipeline.audit.onEvent(({ event }) => {
      if (event === "step_execution_authorized") clock.at += 60_000;
    });
    const result = await world.pipeline.executor.executeStep(world.context({ action: job(() => ++runs) }));
    expectStopped(result, "revoked_while_running");
    expect(runs).toBe(0);
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized", "completed"]);
  });

  test("each effect asks the time", async () => {
    const clock = await clocked();
    const { result, handles } = await started(untilAborted, {}, "memory:write:notes/a");
    await handles.memory.set("notes/a", 1);
    clock.at += 60_000;
    await expect(handles.memory.set("notes/a", 2)).rejects.toMatchObject({ code: "revoked_while_running" });
    expectStopped(await result, "revoked_while_running");
  });

  test("a step that uses nothing is stopped as well, and a result that came after expiry is fenced", async () => {
    const clock = await clocked();
    const waiting = await started(untilAborted);
    const action = gate<string>();
    const late = await started(() => action.promise);
    clock.at += 60_000;
    action.open("late");
    expect(await late.result).toMatchObject({ status: "failed", error: { code: "revoked_while_running" } });
    expect(await waiting.result).toMatchObject({
      status: "failed",
      error: { code: "revoked_while_running" },
    });
  });

  test("a clock that jumps back revives nothing", async () => {
    const clock = await clocked();
    const execute = () => world.pipeline.executor.executeStep(world.context({ action: job() }));
    expect(await execute()).toMatchObject({ status: "completed" });
    clock.at += 60_000;
    expect(await execute()).toMatchObject({ status: "denied", reason: "binding_expired" });
    clock.at -= 120_000;
    expect(await execute()).toMatchObject({ status: "denied", reason: "binding_expired" });
    const times = world.committed().map(({ timestamp }) => timestamp);
    expect([...times].sort()).toEqual(times);
  });
});

describe("deadlines and cancelling", () => {
  test("the caller's deadline", async () => {
    const { result } = await started(untilAborted, { deadlineMs: 20 });
    expectStopped(await result, "deadline_exceeded");
  });

  test("max_duration of any link bounds the caller's deadline", async () => {
    await world.pipeline.bindingManager.unbind(granted.bindingId);
    await world.grant("agent", "job:run:a", { constraints: { max_duration: "20ms" } });
    const { result } = await started(untilAborted, { deadlineMs: 1_000_000 });
    expectStopped(await result, "deadline_exceeded");
  });

  test("an action that never ends", async () => {
    const { result } = await started(never, { deadlineMs: 20 });
    expectStopped(await result, "deadline_exceeded");
    expect(lastEvent()).toMatchObject({ abandoned: true });
  });

  test("cancelled while it runs", async () => {
    const controller = new AbortController();
    const { result } = await started(untilAborted, { signal: controller.signal });
    controller.abort();
    expect(await result).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    expect(lastEvent()).toMatchObject({ result: "failure", code: "cancelled" });
  });

  test("cancelled before it began: nothing runs, and the log says so", async () => {
    let runs = 0;
    const context = world.context({ action: job(() => ++runs) });
    const result = await world.pipeline.executor.executeStep(context, { signal: AbortSignal.abort() });
    expect(result).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    expect(runs).toBe(0);
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized", "completed"]);
  });

  test("the first reason to stop stands, whatever else happens before the step is given up", async () => {
    const controller = new AbortController();
    const { result } = await started(never, { signal: controller.signal, deadlineMs: 50 });
    controller.abort();
    await world.pipeline.bindingManager.unbind(granted.bindingId);
    expect(await result).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
  });

  test("an action cannot call itself cancelled", async () => {
    const run = () => Promise.reject(new EffectDeniedError("cancelled", "so it says"));
    const result = await world.pipeline.executor.executeStep(world.context({ action: job(run) }));
    expect(result).toMatchObject({ status: "failed", error: { code: "cancelled", message: "so it says" } });
  });

  test.each<[string, object]>([
    ["a signal that is none", { signal: { aborted: false } }],
    ["a deadline in words", { deadlineMs: "soon" }],
    ["a deadline that is no number", { deadlineMs: Number.NaN }],
    ["a negative deadline", { deadlineMs: -1 }],
    ["a run without a name", { runId: "" }],
    ["a run id that cannot be recorded", { runId: "\ud800" }],
    ["attempt 0", { attempt: 0 }],
    ["half an attempt", { attempt: 1.5 }],
  ])("%s is the caller's TypeError before anything is asked", async (_name, options) => {
    const context = world.context({ action: job() });
    await expect(world.pipeline.executor.executeStep(context, options)).rejects.toThrow(TypeError);
    expect(stepEvents(world.committed())).toEqual([]);
  });

  test("a deadline beyond what a timer can hold is not a short one", async () => {
    const result = await world.pipeline.executor.executeStep(world.context({ action: job() }), {
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    expect(result).toMatchObject({ status: "completed" });
  });
});

describe("handles do not outlive their step (H1)", () => {
  test("an action that keeps its handles cannot use them afterwards", async () => {
    await world.grant("agent", "memory:write:notes/**", { constraints: { max_uses: 1 } });
    const { result, handles } = await started(() => "done", {}, "memory:write:notes/a");
    expect(await result).toMatchObject({ status: "completed" });
    await expect(handles.memory.set("notes/a", "after")).rejects.toMatchObject({
      name: "EffectDeniedError",
      code: "step_ended",
    });
    await world.pipeline.audit.emitEvent("x_marker");
    expect(world.committed().find(({ event }) => event === "effect_denied")).toMatchObject({
      reason: "step_ended",
    });
    const database = new Database(world.database, { readonly: true });
    expect(database.prepare("SELECT * FROM memory").all()).toEqual([]);
    database.close();
  });

  test("completed waits for effects that the action did not wait for", async () => {
    await world.grant("agent", "fs:write:/**");
    const path = `${world.folder}/a.txt`;
    const { result } = await started(
      (_params, { fs }) => {
        void fs.write(path, "x".repeat(1_000_000));
        return "done";
      },
      {},
      `fs:write:${path}`,
    );
    expect(await result).toMatchObject({ status: "completed" });
    const names = world.committed().map(({ event }) => event);
    expect(names.slice(-3)).toEqual(["effect_attempted", "effect_performed", "step_execution_completed"]);
    expect(lastEvent()).toMatchObject({ effects: 1 });
  });

  test("also when the action threw, and when an effect leads to another one", async () => {
    await world.grant("agent", "memory:write:notes/**");
    const { result } = await started(
      (_params, { memory }) => {
        void memory.set("notes/a", 1).then(() => memory.set("notes/b", 2));
        throw new Error("on purpose");
      },
      {},
      "memory:write:notes/*",
    );
    expect(await result).toMatchObject({
      status: "failed",
      error: { code: "action_failed", message: "on purpose" },
    });
    expect(
      world
        .committed()
        .map(({ event }) => event)
        .slice(-5),
    ).toEqual([
      "effect_attempted",
      "effect_performed",
      "effect_attempted",
      "effect_performed",
      "step_execution_completed",
    ]);
  });

  test("a closed pipeline stops what it was running: nothing could be recorded or revoked any more", async () => {
    await world.grant("agent", "memory:write:notes/**");
    const { result, handles } = await started(untilAborted, {}, "memory:write:notes/a");
    await world.pipeline.close();
    await expect(handles.memory.set("notes/a", 1)).rejects.toMatchObject({ code: "audit_unavailable" });
    expect(await result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(await world.pipeline.executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "denied",
      reason: "audit_unavailable",
    });
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized"]);
  });

  test("a closed pipeline stops a step that uses nothing", async () => {
    const { result } = await started(untilAborted);
    await world.pipeline.close();
    expect(await result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
  });
});

describe("what another process wrote, at the next use of a handle: nobody waits for the next look", () => {
  let file: string;
  let other: Pipeline;
  beforeEach(async () => {
    other = await createPipeline({ database: world.database });
    file = join(world.folder, "a");
    await world.grant("agent", `fs:write:${file}`);
  });
  afterEach(() => other.close());

  const elsewhere = () => {
    const db = new Database(world.database);
    db.exec("UPDATE leases SET boot = 'elsewhere', renewed_at = 0");
    db.close();
  };
  const synapse = (...argv: string[]) =>
    execFileSync(process.execPath, [resolve("dist/cli/main.js"), ...argv, "--db", world.database]);

  /** This process stands still when it is told that its decision is durable; meanwhile something else happens. */
  async function meanwhile(happens: () => void) {
    const end = world.pipeline.audit.onEvent(({ event }) => {
      if (event === "step_execution_authorized") happens();
    });
    let calls = 0;
    const action = job(() => void calls++);
    const result = await world.pipeline.executor.executeStep(world.context({ action }));
    end();
    expect(calls).toBe(0);
    return result;
  }

  test("a revocation between the decision and the start: the action is not called", async () => {
    const result = await meanwhile(() => synapse("suspend", "--agent", "agent", "--by", "operator"));
    expectStopped(result, "revoked_while_running");
  });

  test("the step given up between the decision and the start: the action is not called", async () => {
    const result = await meanwhile(() => {
      elsewhere();
      synapse("runs");
    });
    expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(stepEvents(world.committed())).not.toContain("completed");
  });

  test("a revocation: the use is refused", async () => {
    const { result, handles } = await started(untilAborted, {}, `fs:write:${file}`);
    await other.capabilityManager.suspend("agent", { by: "operator" });
    // No turn of this process's loop lies between: its own look has not come.
    const use = handles.fs.write(file, "1");
    await expect(use).rejects.toMatchObject({ name: "EffectDeniedError", code: "revoked_while_running" });
    expect(existsSync(file)).toBe(false);
    expectStopped(await result, "revoked_while_running");
    // Refused at the door, and not on its way.
    const effects = world.committed().filter(({ event }) => event.startsWith("effect_"));
    expect(effects.map(({ event }) => event)).toEqual(["effect_denied"]);
  });

  test("the outcome of the step as unknown: no use, no completion, no result", async () => {
    const entered = gate();
    const action = gate<string>();
    const { result, handles } = await started(
      () => {
        entered.open();
        return action.promise;
      },
      {},
      `fs:write:${file}`,
    );
    await entered.promise;
    elsewhere();
    await (await createPipeline({ database: world.database })).close();
    await expect(handles.fs.write(file, "1")).rejects.toMatchObject({ code: "audit_unavailable" });
    expect(existsSync(file)).toBe(false);
    action.open("too late");
    const ended = await result;
    expect(ended).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(ended).not.toHaveProperty("output");
    const events = world.committed().map(({ event }) => event);
    expect(events.filter((event) => event === "step_outcome_unknown")).toHaveLength(1);
    expect(events).not.toContain("step_execution_completed");
    expect(events).not.toContain("effect_performed");
  });
});

test("a log that cannot be read may hold a revocation: what runs is stopped", async () => {
  const { result } = await started(untilAborted);
  const connection = new Database(world.database);
  connection.exec("ALTER TABLE events RENAME TO hidden");
  expect(await result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
  connection.exec("ALTER TABLE hidden RENAME TO events");
  connection.close();
  expect(stepEvents(world.committed())).toEqual(["requested", "authorized"]);
});

test("an action that calls the executor again is decided again, and can deny itself nothing but more", async () => {
  await world.grant("agent", "job:run:b", { constraints: { max_uses: 1 } });
  const inner = defineAction({ name: "inner.run", requires: () => "job:run:b", run: () => "inner" });
  const { executor } = world.pipeline;
  const outer = job(async () => {
    const context = world.context({ action: inner, stepId: "inner", requiredCapability: "job:run:b" });
    const results = [await executor.executeStep(context), await executor.executeStep(context)];
    return results.map(({ status }) => status);
  });
  const result = await executor.executeStep(world.context({ action: outer }));
  expect(result).toMatchObject({ status: "completed", output: ["completed", "denied"] });
});

test("no timer of a finished step keeps the process or stops another step", async () => {
  const execute = () =>
    world.pipeline.executor.executeStep(world.context({ action: job() }), { deadlineMs: 30 });
  expect(await execute()).toMatchObject({ status: "completed" });
  await delay(60);
  expect(await execute()).toMatchObject({ status: "completed" });
  expect(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length).toBeLessThan(4);
});
