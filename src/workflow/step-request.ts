import type { Action } from "../core/action.js";
import { SecureExecutionContext } from "../core/context.js";
import { requiredCapabilityOf } from "../core/demand.js";
import { type Capability, parseCapability } from "../model/capability/index.js";
import { CapabilitySyntaxError } from "../model/errors.js";
import { isJsonObject, type JsonObject } from "../model/json.js";
import type { StepDefinition } from "./definition.js";
import type { ExpressionScope } from "./expression.js";
import { evaluateCapabilityTemplate, evaluateScopeTemplate } from "./expression-capability.js";
import { evaluateTemplate } from "./expression-template.js";

/** What is the same for every step of a run. */
export interface RunFacts {
  readonly runId: string;
  readonly workflowId: string;
  readonly seed: number | string;
  readonly workingFolder: string;
}

/**
 * The context of one step, its expressions filled in. Without a `capability` of its own a step asks for what
 * its action requires with these parameters, no more; a `scope` narrows that, the first of it when it is more.
 *
 * @throws ExpressionError `expression_failed`, InvalidContextError.
 */
export function contextOf(
  step: StepDefinition,
  action: Action,
  scope: ExpressionScope,
  { runId, workflowId, seed, workingFolder }: RunFacts,
): SecureExecutionContext {
  const params = evaluateTemplate(step.with, scope);
  const actionParams: JsonObject = isJsonObject(params) ? params : {};
  const requiredCapability =
    step.capability === undefined
      ? requiredCapabilityOf(action, actionParams, { workingFolder })
      : evaluateCapabilityTemplate(step.capability, scope);
  const capabilityScope = scopeTextOf(step, requiredCapability, scope);
  return new SecureExecutionContext({
    workflowId,
    stepId: step.id,
    agentId: step.agent,
    requiredCapability,
    capabilityScope,
    auditReference: runId,
    traceId: runId,
    executionSeed: seed,
    action,
    actionParams,
  });
}

function scopeTextOf(
  step: StepDefinition,
  requiredCapability: string,
  scope: ExpressionScope,
): string | undefined {
  if (step.scope === undefined) return undefined;
  let of: Capability;
  try {
    of = parseCapability(requiredCapability);
  } catch (error) {
    // What the action requires cannot be told. The guard refuses such a context, and records that, with any scope.
    if (error instanceof CapabilitySyntaxError) return undefined;
    throw error;
  }
  return evaluateScopeTemplate(step.scope, of, scope);
}
