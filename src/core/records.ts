import type { BindingRecord, LinkRecord } from "../model/authority.js";
import type { Decision } from "../model/decide.js";
import type { CoreEventType } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import type { StepIdentity } from "./context.js";
import { recordedCapability } from "./demand.js";

/** Under which names a guarded action is recorded: as a step, or on its own (SEMANTICS E1, E2). */
export interface RecordNames {
  readonly requested: CoreEventType | undefined;
  readonly authorized: CoreEventType;
  readonly denied: CoreEventType;
  readonly completed: CoreEventType;
}

export const stepRecords: RecordNames = {
  requested: "step_execution_requested",
  authorized: "step_execution_authorized",
  denied: "step_execution_denied",
  completed: "step_execution_completed",
};

export const guardRecords: RecordNames = {
  requested: undefined,
  authorized: "capability_checked",
  denied: "capability_denied",
  completed: "capability_executed",
};

/** Which run a step belongs to. */
export interface RunPosition {
  readonly runId: string | null;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** The members that every event of one step has (specification, Events; SEMANTICS E1). */
export function commonMembers(context: StepIdentity, { runId, attempt }: RunPosition): JsonObject {
  return {
    workflow_id: context.workflowId,
    step_id: context.stepId,
    agent_id: context.agentId,
    capability: recordedCapability(context.requiredCapability),
    run_id: runId,
    attempt,
    trace_id: context.traceId,
    audit_reference: context.auditReference,
  };
}

/** What an authorisation rests on and uses up: every link with a counter is charged once (SEMANTICS K). */
export function authorizedMembers(decision: Decision & { readonly allowed: true }): JsonObject {
  return {
    binding_id: decision.bindingId,
    binding_ids: decision.bindingIds,
    charged: chargesOf(decision.bindings),
  };
}

/** Every link with a counter among the chains, once, as the log says it. */
export function chargesOf(
  bindings: readonly BindingRecord[],
): { readonly id: string; readonly per_ms?: number }[] {
  const counted = new Set<LinkRecord>();
  for (const { chain } of bindings) {
    for (const link of chain) {
      if (link.constraints.max_uses !== undefined || link.window !== undefined) counted.add(link);
    }
  }
  return [...counted].map((link) => ({
    id: link.id,
    ...(link.window === undefined ? {} : { per_ms: link.window.perMs }),
  }));
}
