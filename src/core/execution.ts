import type { AuditMechanism } from "./audit.js";
import { assertOwn, guardStep, type RuntimeGuard, type StepOptions } from "./guard.js";
import type { SecureExecutionContext } from "./context.js";
import type { ExecutionResult } from "./result.js";
import type { CapabilityManager } from "./security.js";

export { SecureExecutionContext, type ContextFields } from "./context.js";

/**
 * Runs steps under enforcement (specification, SecureWorkflowExecutor). It never calls an action itself: it
 * always goes through the guard, and the guard always records.
 */
export class SecureWorkflowExecutor {
  readonly #guard: RuntimeGuard;

  /** @throws TypeError when the three are not of one pipeline (SEMANTICS G2). */
  constructor(parts: {
    readonly capabilityManager: CapabilityManager;
    readonly runtimeGuard: RuntimeGuard;
    readonly audit: AuditMechanism;
  }) {
    assertOwn(parts.runtimeGuard, parts.capabilityManager, parts.audit);
    this.#guard = parts.runtimeGuard;
    Object.freeze(this);
  }

  /**
   * Runs one step: `requested`, then `authorized` or `denied`, and after the action `completed`; each durable
   * before what depends on it. A denial and a failing action are results, never rejections; something that is
   * not a context is denied with a record (SEMANTICS D4).
   *
   * @throws TypeError for malformed options.
   */
  async executeStep(context: SecureExecutionContext, options: StepOptions = {}): Promise<ExecutionResult> {
    return guardStep(this.#guard, context, options);
  }
}
