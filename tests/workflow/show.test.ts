import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defineAction } from "../../src/index.js";
import { listRuns, showRun } from "../../src/workflow/show.js";
import { gate, openWorld, type World } from "../core/world.js";
import { run, workflow } from "./world.js";

let world: World;
let hold: ReturnType<typeof gate<void>> | undefined;
const work = defineAction({
  name: "test.work",
  requires: () => "job:run:a",
  run: async (_params, { memory }, env) => {
    await memory.get("elsewhere").catch(() => undefined);
    if (env.stepId === "b") await hold?.promise;
    if (env.stepId === "fails") throw new Error("x");
    return env.stepId;
  },
});

beforeEach(async () => {
  world = await openWorld({ actions: [work] });
  await world.grant("agent", "job:run:a");
  hold = undefined;
});
afterEach(() => world.close());

const step = (id: string, more: object = {}) => ({ id, agent: "agent", action: "test.work", ...more });

test("a run is shown as its summary was, from the log alone", async () => {
  const definition = workflow([
    step("a"),
    step("denied", { agent: "nobody", on_denied: "continue" }),
    step("fails", { on_error: "continue" }),
    step("skipped", { if: false }),
  ]);
  const { run_id, summary } = await run(world.pipeline, definition);
  const shown = showRun(world.pipeline, run_id);
  expect(shown).toMatchObject({
    run_id,
    workflow: "wf",
    status: "completed",
    result_digest: summary.result_digest,
  });
  expect(shown?.started_at).toMatch(/Z$/);
  expect(shown?.ended_at).toMatch(/Z$/);
  expect(shown?.steps).toEqual([
    { ...summary.steps[0], agent_id: "agent", capability: "job:run:a" },
    { ...summary.steps[1], agent_id: "nobody", capability: "job:run:a" },
    { ...summary.steps[2], agent_id: "agent", capability: "job:run:a" },
    { ...summary.steps[3], agent_id: null, capability: null },
  ]);
  expect(summary.steps.map(({ status }) => status)).toEqual(["completed", "denied", "failed", "skipped"]);
});

test("a run that goes on shows what has ended, and everything else as pending", async () => {
  hold = gate();
  const definition = workflow([
    step("a"),
    step("denied", { agent: "nobody", on_denied: "continue" }),
    step("fails", { on_error: "continue" }),
    step("b"),
    step("c", { needs: ["b"] }),
  ]);
  let ended = 0;
  const three = gate();
  const running = run(world.pipeline, definition, {
    onStep: () => (++ended === 3 ? three.open() : undefined),
  });
  await three.promise;
  const [listed] = listRuns(world.pipeline);
  expect(listed).toMatchObject({ workflow: "wf", status: "running", ended_at: null });
  const shown = showRun(world.pipeline, listed?.run_id ?? "");
  expect(shown).toMatchObject({ status: "running", result_digest: null });
  expect(shown?.steps.map(({ step_id, status, reason }) => [step_id, status, reason])).toEqual([
    ["a", "completed", null],
    ["denied", "denied", "no_binding_found"],
    ["fails", "failed", "action_failed"],
    ["b", "pending", null],
    ["c", "pending", null],
  ]);
  hold.open();
  await running;
});

test("a cancelled run, and runs newest first", async () => {
  const first = await run(world.pipeline, workflow([step("a")]));
  const second = await run(world.pipeline, workflow([step("a")]), { signal: AbortSignal.abort() });
  expect(listRuns(world.pipeline).map(({ run_id, status }) => [run_id, status])).toEqual([
    [second.run_id, "cancelled"],
    [first.run_id, "completed"],
  ]);
  expect(listRuns(world.pipeline, 1)).toHaveLength(1);
  expect(showRun(world.pipeline, second.run_id)?.steps).toMatchObject([
    { step_id: "a", status: "cancelled" },
  ]);
});

test("a run that is not there", () => {
  expect(showRun(world.pipeline, "run_none")).toBeUndefined();
});

test("erased values change nothing of what was decided", async () => {
  const definition = workflow([step("a"), step("denied", { agent: "nobody" })]);
  const { run_id } = await run(world.pipeline, definition);
  const connection = new Database(world.database);
  connection.exec("DELETE FROM blobs");
  connection.close();
  expect(showRun(world.pipeline, run_id)).toMatchObject({
    status: "denied",
    result_digest: null,
    steps: [
      { step_id: "a", status: "completed", output_digest: null },
      { step_id: "denied", status: "denied", reason: "no_binding_found" },
    ],
  });
});

test("events of one's own cannot speak for a run", async () => {
  const { run_id, summary } = await run(world.pipeline, workflow([step("a")]));
  const { audit } = world.pipeline;
  await audit.emitEvent("x_forged", {
    run_id,
    step_id: "a",
    agent_id: "evil",
    report_commitment: "0".repeat(64),
  });
  await audit.emitEvent("x_forged", { run_id, step_id: "made-up", capability: 7, report_commitment: 7 });
  const shown = showRun(world.pipeline, run_id);
  expect(shown?.result_digest).toBe(summary.result_digest);
  expect(shown?.steps).toEqual([{ ...summary.steps[0], agent_id: "agent", capability: "job:run:a" }]);
});
