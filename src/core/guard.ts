import { InvalidContextError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";
import type { Action } from "./action.js";
import { type AuditMechanism, ledgerOf } from "./audit.js";
import { DenialBackoff } from "./backoff.js";
import { SecureExecutionContext } from "./context.js";
import type { GuardParts } from "./guard-call.js";
import { executeGuarded } from "./guarded-step.js";
import type { HandleFactory } from "./ports.js";
import { guardRecords, stepRecords } from "./records.js";
import type { ExecutionResult } from "./result.js";
import { RunningSteps } from "./running-steps.js";
import { type CapabilityManager, ledgerOfManager } from "./security.js";
import { defaultStepLimits, type StepLimits } from "./step-limits.js";
import { readStepOptions, type StepOptions } from "./step-options.js";

export type { StepOptions } from "./step-options.js";

/** A call of the guard on its own (specification, RuntimeGuard). */
export interface GuardRequest extends StepOptions {
  readonly action: Action;
  readonly actionParams?: JsonObject;
  /** Capability texts: the first bounds what the action's first requirement may be, all bound the others. */
  readonly capabilities: readonly string[];
  readonly capabilityScope?: string;
  readonly agentId: string;
  readonly capabilityManager: CapabilityManager;
  readonly audit: AuditMechanism;
  readonly workflowId?: string;
  readonly stepId?: string;
  readonly auditReference?: string;
  readonly traceId?: string;
  readonly executionSeed?: number | string;
}

let openGuard: (guard: RuntimeGuard) => GuardParts;

/**
 * The only place that ever calls an action (specification, RuntimeGuard). It decides, waits until the
 * decision is durable, hands the action nothing but the powers granted, and records how it ended.
 */
export class RuntimeGuard {
  readonly #parts: GuardParts;

  constructor(options: {
    readonly audit: AuditMechanism;
    /** Builds the powers of a step. */
    readonly handles: HandleFactory;
    /** Absolute; what relative parameters are resolved against. */
    readonly workingFolder: string;
    readonly limits?: Partial<StepLimits> | undefined;
  }) {
    const ledger = ledgerOf(options.audit);
    this.#parts = Object.freeze({
      ledger,
      handles: options.handles,
      workingFolder: options.workingFolder,
      limits: { ...defaultStepLimits, ...options.limits },
      running: new RunningSteps(ledger),
      backoff: new DenialBackoff(),
    });
    Object.freeze(this);
  }

  static {
    openGuard = (guard) => guard.#parts;
  }

  /**
   * Runs an action under enforcement outside a workflow; recorded as `capability_checked` or
   * `capability_denied`, and `capability_executed` (SEMANTICS E2). A binding is required here as anywhere (G2).
   *
   * @throws TypeError when `capabilityManager` or `audit` are of another pipeline, or for malformed options;
   *   InvalidContextError.
   */
  async guard(request: GuardRequest): Promise<ExecutionResult & { readonly allowed: boolean }> {
    const {
      action,
      actionParams,
      capabilities,
      capabilityScope,
      agentId,
      capabilityManager,
      audit,
      ...options
    } = request;
    assertOwn(this, capabilityManager, audit);
    const stepOptions = readStepOptions(options);
    const [requiredCapability, ...others] = [...capabilities];
    if (requiredCapability === undefined) {
      throw new InvalidContextError("capabilities", "the guard needs at least one capability");
    }
    const context = new SecureExecutionContext({
      workflowId: options.workflowId ?? "guard",
      stepId: options.stepId ?? "guard",
      agentId,
      requiredCapability,
      capabilityScope,
      auditReference: options.auditReference ?? "guard",
      traceId: options.traceId ?? "guard",
      executionSeed: options.executionSeed,
      action,
      actionParams,
    });
    const ceilings = others.length === 0 ? undefined : [requiredCapability, ...others];
    const result = await executeGuarded(this.#parts, {
      context,
      records: guardRecords,
      ceilings,
      options: stepOptions,
    });
    return Object.freeze({ ...result, allowed: result.status !== "denied" });
  }
}

/** A guard is built once; what is handed to it per call must be wired to the same log (SEMANTICS G2). */
export function assertOwn(guard: RuntimeGuard, manager: CapabilityManager, audit: AuditMechanism): void {
  const { ledger } = openGuard(guard);
  if (ledgerOf(audit) !== ledger || ledgerOfManager(manager) !== ledger) {
    throw new TypeError("the guard, the capability manager and the audit mechanism must be of one pipeline");
  }
}

/** For the executor: runs a step under its four events. `context` may be anything: what is none is denied. */
export async function guardStep(
  guard: RuntimeGuard,
  context: unknown,
  options: StepOptions,
): Promise<ExecutionResult> {
  const call = { context, records: stepRecords, ceilings: undefined, options: readStepOptions(options) };
  return executeGuarded(openGuard(guard), call);
}
