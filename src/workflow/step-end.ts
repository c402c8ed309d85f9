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

/** A step that asked the guard: what came of its last attempt. */
export function endOf(
  result: ExecutionResult,
  capability: string,
  durationMs: number,
  attempt: number,
): StepEnd {
  // Written out, since a spread costs more than the rest of this file.
  switch (result.status) {
    case "completed":
      return {
        status: result.status,
        reason: null,
        bindingId: result.bindingId,
        outputDigest: result.outputDigest,
        output: result.output,
        capability,
        explanation: null,
        durationMs,
        attempt,
      };
    case "denied":
      return {
        status: result.status,
        reason: result.reason,
        bindingId: null,
        outputDigest: null,
        output: undefined,
        capability,
        explanation: result.explanation,
        durationMs,
        attempt,
      };
    case "failed":
    case "cancelled":
    case "unknown":
      return {
        status: result.status,
        reason: result.error.code,
        bindingId: result.bindingId,
        outputDigest: null,
        output: undefined,
        capability,
        explanation: result.error.message,
        durationMs,
        attempt,
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
