import type { ActionRegistry } from "../core/action.js";
import { type AuditMechanism, ledgerOf } from "../core/audit.js";
import { decideDemand, demandForAction } from "../core/demand.js";
import type { JsonObject } from "../model/json.js";
import type { State } from "../model/state.js";
import { checkActions, type StepDefinition, type WorkflowDefinition } from "./definition.js";
import { type Condition, type ExpressionScope, evaluateCondition, referencesOf } from "./expression.js";
import type { CapabilityTemplate } from "./expression-capability.js";
import { expressionsOf } from "./expression-template.js";
import type { PlanRow } from "./report.js";
import { checkRetries } from "./retry.js";
import { contextOf, type RunFacts } from "./step-request.js";

export interface PlanOptions {
  readonly pipeline: {
    readonly audit: AuditMechanism;
    readonly actions: ActionRegistry;
    readonly workingFolder: string;
  };
  readonly definition: WorkflowDefinition;
  readonly inputs: JsonObject;
  readonly seed?: number | string | undefined;
  /** The policy to plan under; default what is in force. */
  readonly state?: State | undefined;
}

/**
 * What would be decided for each step as of now; nothing is run, recorded or charged. What cannot be known
 * before the run, because it depends on what other steps give, is shown as depending on it (SEMANTICS R6).
 *
 * @throws DocumentError for unknown actions.
 */
export function planWorkflow({ pipeline, definition, inputs, seed, state }: PlanOptions): PlanRow[] {
  checkActions(definition, new Set(pipeline.actions.names()));
  checkRetries(definition, pipeline.actions);
  const ledger = ledgerOf(pipeline.audit);
  const facts: RunFacts = {
    runId: "plan",
    workflowId: definition.name,
    seed: seed ?? definition.seed ?? 0,
    workingFolder: pipeline.workingFolder,
  };
  const run = { id: facts.runId, workflow: facts.workflowId, seed: facts.seed, folder: facts.workingFolder };
  const scope: ExpressionScope = { inputs, steps: {}, run };
  const at = ledger.now();
  return definition.steps.map((step) => planStep(step, pipeline, facts, scope, state ?? ledger.state, at));
}

function planStep(
  step: StepDefinition,
  { actions, workingFolder }: PlanOptions["pipeline"],
  facts: RunFacts,
  scope: ExpressionScope,
  state: State,
  at: number,
): PlanRow {
  const row = { step_id: step.id, agent: step.agent, action: step.action, requires: [] };
  const action = actions.get(step.action);
  if (action === undefined || dependsOnRun(step)) {
    return { ...row, capability: step.capability?.source ?? null, allowed: null, reason: "depends_on_run" };
  }
  try {
    const conditional = step.if !== undefined && !conditionDepends(step.if);
    if (conditional && !evaluateCondition(step.if, scope)) {
      return { ...row, capability: null, allowed: null, reason: "skipped" };
    }
    const context = contextOf(step, action, scope, facts);
    const demand = demandForAction(context, undefined, { workingFolder });
    const decision = decideDemand(demand, state, at);
    return {
      ...row,
      capability: context.requiredCapability,
      requires: demand.requirements.map(({ text }) => text),
      allowed: decision.allowed,
      reason: decision.allowed ? null : decision.reason,
    };
  } catch (error) {
    // An expression that fails now would fail in the run as well.
    return {
      ...row,
      capability: null,
      allowed: false,
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

/** Whether parameters or capability use other steps, or the id that the run will get. */
function dependsOnRun(step: StepDefinition): boolean {
  const parts = [step.capability, step.scope].flatMap(
    (template: CapabilityTemplate | undefined) => template?.parts ?? [],
  );
  const expressions = [...expressionsOf(step.with), ...parts.filter((part) => typeof part !== "string")];
  return expressions.some(({ expression }) => expression.references.some(isOfRun));
}

function conditionDepends(condition: Condition): boolean {
  return referencesOf(condition).some(isOfRun);
}

function isOfRun({
  variable,
  path,
}: {
  readonly variable: string;
  readonly path: readonly string[];
}): boolean {
  return variable === "steps" || (variable === "run" && (path[0] === "id" || path[0] === undefined));
}
