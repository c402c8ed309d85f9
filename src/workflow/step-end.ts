import type { ExecutionResult } from "../core/result.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import type { StepStatus } from "./report.js";

/** How one step of a run ended, as the rest of the run needs to know it. */
export interface StepEnd {
  readonly status: StepStatus;
  readonly reason: string | null;
  readonly bindingId: string | null;
  readonly outputDigest: string | null;
  /** Undefined unless it completed. */
  readonly output: JsonValue | undefined;
  readonly capability: string | null;
  readonly explanation: string | null;
  readonly durationMs: number;
  /** 0: never tried. */
  readonly attempt: number;
}

export function endOf(
  result: ExecutionResult,
  of: { readonly capability: string; readonly durationMs: number; readonly attempt: number },
): StepEnd {
  const common = { ...of, status: result.status, output: undefined, outputDigest: null };
  switch (result.status) {
    case "completed":
      return {
        ...common,
        reason: null,
        bindingId: result.bindingId,
        output: result.output,
        outputDigest: result.outputDigest,
        explanation: null,
      };
    case "denied":
      return { ...common, reason: result.reason, bindingId: null, explanation: result.explanation };
    case "failed":
    case "cancelled":
    case "unknown":
      return {
        ...common,
        reason: result.error.code,
        bindingId: result.bindingId,
        explanation: result.error.message,
      };
  }
}

/** What expressions see of the steps that have ended: `{status, output?}` by id. */
export function endedSteps(ends: ReadonlyMap<string, StepEnd>): JsonObject {
  const steps = [...ends].map(([id, { status, output }]): [string, JsonValue] => [
    id,
    output === undefined ? { status } : { status, output },
  ]);
  return Object.fromEntries(steps);
}
