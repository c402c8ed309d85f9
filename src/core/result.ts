import type { BindingRecord } from "../model/authority.js";
import type { DenialReason } from "../model/denial.js";
import { redactedExplanation } from "../model/explain.js";
import type { JsonValue } from "../model/json.js";

/** Why an action that was started gave no output; `code` is stable, `message` for people. No wall-clock in it. */
export interface ExecutionFailure {
  readonly code: string;
  readonly message: string;
}

interface Common {
  readonly workflowId: string;
  readonly stepId: string;
  readonly agentId: string;
  readonly auditReference: string;
}

interface Ran extends Common {
  /** The binding that granted the first requirement. */
  readonly bindingId: string;
  readonly bindingIds: readonly string[];
}

/**
 * What a step came to (SEMANTICS G5): frozen plain data without wall-clock values or generated ids of its
 * own, so that the same context, seed and state give equal results. Never `denied` after the action ran.
 */
export type ExecutionResult =
  | (Ran & {
      readonly status: "completed";
      readonly output: JsonValue;
      /** `sha256:` and the hex digest of the output's RFC 8785 form. */
      readonly outputDigest: string;
    })
  | (Common & {
      readonly status: "denied";
      readonly reason: DenialReason;
      /** For the operator; an agent gets a redacted one (SEMANTICS D3). */
      readonly explanation: string;
    })
  | (Ran & {
      /** `unknown`: it ran, but how it ended could not be recorded, so its output is not given out. */
      readonly status: "failed" | "cancelled" | "unknown";
      readonly error: ExecutionFailure;
    });

export type ExecutionStatus = ExecutionResult["status"];

/** Whose result it is. */
export type ResultIdentity = Common;

export function completed(
  of: Common,
  bindings: readonly BindingRecord[],
  output: JsonValue,
  outputDigest: string,
): ExecutionResult {
  return Object.freeze({ status: "completed", output, outputDigest, ...ran(of, bindings) });
}

export function denied(of: Common, reason: DenialReason, explanation: string): ExecutionResult {
  return Object.freeze({ status: "denied", reason, explanation, ...identity(of) });
}

export function unfinished(
  of: Common,
  bindings: readonly BindingRecord[],
  status: "failed" | "cancelled" | "unknown",
  { code, message }: ExecutionFailure,
): ExecutionResult {
  return Object.freeze({ status, error: Object.freeze({ code, message }), ...ran(of, bindings) });
}

/** Failures that the guard explains with links of the chain, or with where the log is. */
const operatorsCodes: ReadonlySet<string> = new Set(["revoked_while_running", "audit_unavailable"]);

/** The same result as an agent may see it: what was decided, nothing of why (SEMANTICS D3). */
export function redacted(result: ExecutionResult): ExecutionResult {
  if (result.status === "completed") return result;
  if (result.status === "denied") {
    return Object.freeze({ ...result, explanation: redactedExplanation(result.reason) });
  }
  const { code } = result.error;
  if (!operatorsCodes.has(code)) return result;
  return Object.freeze({
    ...result,
    error: Object.freeze({ code, message: `this step was stopped (${code})` }),
  });
}

function identity({ workflowId, stepId, agentId, auditReference }: Common): Common {
  return { workflowId, stepId, agentId, auditReference };
}

function ran(of: Common, bindings: readonly BindingRecord[]): Ran {
  const bindingIds = Object.freeze(bindings.map((binding) => binding.id));
  const { workflowId, stepId, agentId, auditReference } = of;
  return { workflowId, stepId, agentId, auditReference, bindingId: bindingIds[0] ?? "", bindingIds };
}
