import { join } from "node:path";
import { createPipeline, defineAction, type Pipeline, SecureExecutionContext } from "../../src/index.js";
import { parseWorkflow, type WorkflowDefinition } from "../../src/workflow/definition.js";
import { runWorkflow } from "../../src/workflow/run.js";
import type { Bench, Report } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, ratio } from "../harness/statistics.js";

const fanOut = 50;
const noAction = defineAction({
  name: "bench.nothing",
  requires: () => "bench:run:nothing",
  run: () => null,
});

/** Layers of fifty steps, each of which needs one of the layer before. */
function layered(steps: number): WorkflowDefinition {
  const document = {
    name: "bench",
    steps: Array.from({ length: steps }, (_, n) => ({
      id: `s${n}`,
      agent: "a",
      action: "bench.nothing",
      ...(n < fanOut ? {} : { needs: [`s${n - fanOut}`] }),
    })),
  };
  return parseWorkflow(JSON.stringify(document), "bench.yaml");
}

/** What a workflow costs beside its steps: reading it, waiting for what steps need, the report. */
export const workflow: Bench = {
  name: "workflow",
  title: "a workflow of 1,000 steps, 50 at a time, against the same steps without a workflow",
  run: async ({ short, folder }): Promise<Report> => {
    const steps = short ? 100 : 1_000;
    const definition = layered(steps);
    const pipeline = await createPipeline({ database: join(folder, "log.db"), actions: [noAction] });
    await pipeline.capabilityManager.issue({ capability: "bench:run:*", issuedBy: "bench" });
    await pipeline.bindingManager.bind({ agentId: "a", capability: "bench:run:nothing", createdBy: "bench" });
    let checked = 0;
    const timed = (work: () => Promise<number>) => async () => {
      const start = performance.now();
      const completed = await work();
      if (completed !== steps) throw new Error(`${completed} of ${steps} steps were completed`);
      checked += completed;
      return performance.now() - start;
    };
    const whole = timed(async () => {
      const summary = await runWorkflow({ pipeline, definition, inputs: {}, concurrency: fanOut });
      return summary.steps.filter(({ status }) => status === "completed").length;
    });
    const bare = timed(() => stepsAlone(pipeline, steps));
    // For the compiler, as the steps of the other benches.
    for (let turn = 0; turn < (short ? 1 : 10); turn++) {
      await bare();
      await whole();
    }
    const [ours, alone] = await inRounds(short ? 2 : 25, [
      { what: `a workflow of ${steps} steps`, unit: "ms", measure: whole },
      { what: `${steps} steps alone`, unit: "ms", measure: bare },
    ]);
    await pipeline.close();
    if (ours === undefined || alone === undefined) throw new Error("nothing was measured");
    return {
      measurements: [ours, alone],
      comparisons: [ratio(ours, alone, atMost(1.15))],
      checked,
      notes: ["Both keep 50 steps in flight; all steps do nothing and are durable."],
    };
  },
};

async function stepsAlone(pipeline: Pipeline, steps: number): Promise<number> {
  let next = 0;
  let completed = 0;
  await Promise.all(
    Array.from({ length: fanOut }, async () => {
      while (next < steps) {
        const n = next++;
        const context = new SecureExecutionContext({
          workflowId: "bench",
          stepId: `s${n}`,
          agentId: "a",
          requiredCapability: "bench:run:nothing",
          auditReference: "bench",
          traceId: `t${n}`,
          action: noAction,
          actionParams: {},
        });
        const { status } = await pipeline.executor.executeStep(context);
        if (status === "completed") completed++;
      }
    }),
  );
  return completed;
}
