import { identityOfMalformed, isGenuineContext } from "./context.js";
import type { SecureExecutionContext, SecureWorkflowExecutor } from "./execution.js";
import type { StepOptions } from "./guard.js";
import { type ExecutionResult, redacted } from "./result.js";
import type { CheckRequest } from "./check.js";
import type { PermissionEnforcer } from "./security.js";

/** What one agent may hold of a pipeline: it can act and ask in its own name, and nothing else (SEMANTICS A6). */
export interface AgentFacet {
  readonly agentId: string;
  /**
   * As the executor's, for this agent's contexts only. What names policy or the store is redacted.
   * @throws TypeError for a context of another agent.
   */
  executeStep(
    context: SecureExecutionContext,
    options?: Pick<StepOptions, "signal" | "deadlineMs">,
  ): Promise<ExecutionResult>;
  /** Whether this agent may do something now; why not is for the operator, in the log. */
  may(request: Omit<CheckRequest, "agentId">): Promise<{ readonly allowed: boolean }>;
}

export function agentFacet(
  agentId: string,
  executor: SecureWorkflowExecutor,
  enforcer: PermissionEnforcer,
): AgentFacet {
  return Object.freeze({
    agentId,
    async executeStep(
      context: SecureExecutionContext,
      options: Pick<StepOptions, "signal" | "deadlineMs"> = {},
    ) {
      const genuine = isGenuineContext(context);
      if (genuine && context.agentId !== agentId) throw new TypeError(`this facet is agent \`${agentId}\`'s`);
      // A look-alike may claim to be another agent's: it is denied, and recorded under this agent's name (D4).
      const own = genuine
        ? context
        : ({ ...identityOfMalformed(context), agentId } as SecureExecutionContext);
      const { signal, deadlineMs } = options;
      const result = await executor.executeStep(own, { signal, deadlineMs });
      return redacted(result);
    },
    async may(request: Omit<CheckRequest, "agentId">) {
      const { allowed } = await enforcer.enforce({ ...request, agentId });
      return Object.freeze({ allowed });
    },
  });
}
