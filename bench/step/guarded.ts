import { join } from "node:path";
import { createPipeline, defineAction, type Pipeline, SecureExecutionContext } from "../../src/index.js";
import type { StepSource } from "./limit.js";

const noAction = defineAction({
  name: "bench.nothing",
  requires: () => "bench:run:nothing",
  run: () => null,
});

export interface GuardedSteps extends StepSource {
  readonly pipeline: Pipeline;
  /** How many steps were completed so far; each was checked to have succeeded. */
  readonly completed: number;
}

/** Whole steps of the product, as a user takes them: context, decision, record, action, record. */
export async function guardedSteps(
  folder: string,
  name: string,
  { agents = 64, database = join(folder, `${name}.db`) } = {},
): Promise<GuardedSteps> {
  const pipeline = await createPipeline({ database, actions: [noAction] });
  // None for a database that has them already.
  if (agents > 0) await pipeline.capabilityManager.issue({ capability: "bench:run:*", issuedBy: "bench" });
  for (let n = 0; n < agents; n++)
    await pipeline.bindingManager.bind({
      agentId: `agent-${n}`,
      capability: "bench:run:nothing",
      createdBy: "bench",
    });
  let next = 0;
  let completed = 0;
  return {
    pipeline,
    get completed() {
      return completed;
    },
    step: async () => {
      const n = next++;
      const result = await pipeline.executor.executeStep(
        new SecureExecutionContext({
          workflowId: "bench",
          stepId: "nothing",
          agentId: `agent-${n % (agents || 64)}`,
          requiredCapability: "bench:run:nothing",
          auditReference: "bench",
          traceId: `trace-${n}`,
          action: noAction,
          actionParams: {},
        }),
      );
      if (result.status !== "completed") throw new Error(`a step ended as ${result.status}`);
      completed++;
    },
    close: () => pipeline.close(),
  };
}
