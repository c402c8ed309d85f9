import type { Pipeline } from "../../src/index.js";
import { parseWorkflow, type WorkflowDefinition } from "../../src/workflow/definition.js";
import { type RunOptions, runWorkflow } from "../../src/workflow/run.js";

/** A workflow from its steps alone, in YAML's JSON part. */
export function workflow(steps: readonly object[], more: object = {}): WorkflowDefinition {
  return parseWorkflow(JSON.stringify({ name: "wf", ...more, steps }), "wf.yaml");
}

/** Runs it; the summary with its steps by id. */
export async function run(
  pipeline: Pipeline,
  definition: WorkflowDefinition,
  options: Partial<RunOptions> = {},
) {
  const summary = await runWorkflow({ pipeline, definition, inputs: {}, ...options });
  const steps = Object.fromEntries(summary.steps.map((step) => [step.step_id, step]));
  return { ...summary, steps, summary };
}
