import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineAction, DocumentError } from "../../src/index.js";
import { planWorkflow } from "../../src/workflow/plan.js";
import { openWorld, type World } from "../core/world.js";
import { run, workflow } from "./world.js";

let world: World;
let runs = 0;
const work = defineAction({ name: "test.work", requires: () => "job:run:a", run: () => ++runs });

beforeEach(async () => {
  runs = 0;
  world = await openWorld({ actions: [work] });
});
afterEach(() => world.close());

const step = (id: string, more: object = {}) => ({ id, agent: "agent", action: "test.work", ...more });
const plan = (steps: readonly object[], options: Partial<Parameters<typeof planWorkflow>[0]> = {}) =>
  planWorkflow({
    pipeline: world.pipeline,
    definition: workflow(steps, { inputs: { folder: "/data" } }),
    inputs: { folder: "/data" },
    ...options,
  });

test("says for each step what would be decided, and does, records and charges nothing", async () => {
  await world.grant("agent", "job:run:a", { constraints: { max_uses: 1 } });
  const before = world.committed();
  const rows = plan([step("a"), step("b", { agent: "nobody" })]);
  expect(rows).toEqual([
    {
      step_id: "a",
      agent: "agent",
      action: "test.work",
      capability: "job:run:a",
      requires: ["job:run:a"],
      allowed: true,
      reason: null,
    },
    {
      step_id: "b",
      agent: "nobody",
      action: "test.work",
      capability: "job:run:a",
      requires: ["job:run:a"],
      allowed: false,
      reason: "no_binding_found",
    },
  ]);
  expect(runs).toBe(0);
  expect(world.committed()).toEqual(before);
  expect(await world.pipeline.bindingManager.getBindings("agent")).toMatchObject([{ uses: 0 }]);
});

describe("what depends on the run is shown as that (R6)", () => {
  test.each<[string, object]>([
    ["parameters from another step", { needs: ["a"], with: { x: "${{ steps.a.output }}" } }],
    ["parameters deep inside", { needs: ["a"], with: { x: [{ y: "${{ steps.a.output }}" }] } }],
    ["a capability from another step", { needs: ["a"], capability: "job:run:${{ steps.a.output }}" }],
    ["a scope from another step", { needs: ["a"], capability: "job:run:*", scope: "${{ steps.a.output }}" }],
    ["the id of the run", { with: { x: "${{ run.id }}" } }],
    ["all that is known of the run", { with: { x: "${{ string(run) }}" } }],
  ])("%s", (_name, more) => {
    const [, row] = plan([step("a"), step("b", more)]);
    expect(row).toMatchObject({ step_id: "b", allowed: null, reason: "depends_on_run" });
  });

  test.each<[string, object, object]>([
    [
      "inputs are known",
      { with: { x: "${{ inputs.folder }}" } },
      { allowed: false, reason: "no_capability" },
    ],
    [
      "so are seed, folder and name",
      { with: { x: "${{ run.seed }} ${{ run.folder }} ${{ run.workflow }}" } },
      { allowed: false },
    ],
    ["a condition that is false", { if: "inputs.folder == '/other'" }, { allowed: null, reason: "skipped" }],
    [
      "a condition that is true",
      { if: "inputs.folder == '/data'" },
      { allowed: false, reason: "no_capability" },
    ],
    [
      "a condition on another step: as if it ran",
      { needs: ["a"], if: "steps.a.status == 'completed'" },
      { allowed: false },
    ],
  ])("%s", (_name, more, expected) => {
    const [, row] = plan([step("a"), step("b", more)]);
    expect(row).toMatchObject(expected);
  });

  test("an expression that fails now fails the step, and does not fail the plan", () => {
    const [row] = plan([step("a", { with: { x: "${{ inputs.folder.missing }}" } })]);
    expect(row).toMatchObject({ allowed: false, capability: null });
    expect(row?.reason).toContain("inputs.folder.missing");
  });
});

test("relative paths are resolved as in the run, parameters are checked as in the run", async () => {
  await world.grant("agent", `fs:read:${world.folder}/**`);
  const read = (path: unknown) => ({ id: "read", agent: "agent", action: "fs.read", with: { path } });
  expect(plan([read("a.txt")])).toMatchObject([
    { capability: `fs:read:${world.folder}/a.txt`, allowed: true },
  ]);
  expect(plan([read("../a.txt")])).toMatchObject([{ allowed: false, reason: "invalid_capability" }]);
  expect(plan([read(7)])).toMatchObject([{ allowed: false, reason: "invalid_context" }]);
});

test("a plan and a run agree when nothing changes between them", async () => {
  await world.grant("agent", "job:run:a");
  const steps = [
    step("a"),
    step("b", { agent: "nobody", on_denied: "continue" }),
    step("c", { if: "false" }),
  ];
  const rows = plan(steps);
  const { summary } = await run(world.pipeline, workflow(steps));
  for (const [index, row] of rows.entries()) {
    const status = row.allowed === null ? "skipped" : row.allowed ? "completed" : "denied";
    expect(summary.steps[index]).toMatchObject({ step_id: row.step_id, status });
    if (row.allowed === false) expect(summary.steps[index]?.reason).toBe(row.reason);
  }
});

test("unknown actions and forbidden retries are found before a run", () => {
  expect(() => plan([{ id: "a", agent: "agent", action: "no.such" }])).toThrow(DocumentError);
  expect(() => plan([step("a", { retry: 1 })])).toThrow(
    expect.objectContaining({ code: "invalid_workflow" }),
  );
});
