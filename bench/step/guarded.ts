import { join } from "node:path";
import {
  type BindingManager,
  type CapabilityManager,
  createPipeline,
  defineAction,
  type Pipeline,
  SecureExecutionContext,
  type SecureWorkflowExecutor,
} from "../../src/index.js";
import type { StepSource } from "./limit.js";

export const noAction = defineAction({
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
  if (agents > 0) await grantTo(agents, pipeline);
  const steps = checkedSteps(pipeline.executor, agents);
  return {
    pipeline,
    get completed() {
      return steps.completed;
    },
    step: steps.step,
    close: () => pipeline.close(),
  };
}

export async function grantTo(
  agents: number,
  parts: { readonly capabilityManager: CapabilityManager; readonly bindingManager: BindingManager },
): Promise<void> {
  await parts.capabilityManager.issue({ capability: "bench:run:*", issuedBy: "bench" });
  for (let n = 0; n < agents; n++)
    await parts.bindingManager.bind({
      agentId: `agent-${n}`,
      capability: "bench:run:nothing",
      createdBy: "bench",
    });
}

export interface CheckedSteps {
  readonly completed: number;
  readonly step: () => Promise<void>;
}

/** Steps of an executor, in turn for each agent; one that does not complete throws. */
export function checkedSteps(executor: SecureWorkflowExecutor, agents: number): CheckedSteps {
  let next = 0;
  let completed = 0;
  return {
    get completed() {
      return completed;
    },
    step: async () => {
      const n = next++;
      const result = await executor.executeStep(
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
  };
}
