import type { BindingRecord } from "../model/authority.js";
import { parseDuration } from "../model/time.js";

/** Limits on one running step. */
export interface StepLimits {
  /** ms from the moment the authorisation is durable. */
  readonly deadlineMs: number;
  /** Canonical form of the output; also what one effect may read into memory. */
  readonly outputBytesMax: number;
  readonly effectsMax: number;
}

export const defaultStepLimits: StepLimits = Object.freeze({
  deadlineMs: 300_000,
  outputBytesMax: 16 * 1024 * 1024,
  effectsMax: 10_000,
});

/** The smallest of what the pipeline, the caller and every link of every chain allow (SEMANTICS K). */
export function limitsOf(
  defaults: StepLimits,
  bindings: readonly BindingRecord[],
  deadlineMs: number | undefined,
): StepLimits {
  // A caller's own time-out replaces the default, longer or shorter; a constraint bounds both.
  const limits = { ...defaults, deadlineMs: deadlineMs ?? defaults.deadlineMs };
  for (const { chain } of bindings) {
    for (const { constraints } of chain) {
      const { max_duration, max_output_bytes, max_effects } = constraints;
      if (max_duration !== undefined)
        limits.deadlineMs = Math.min(limits.deadlineMs, parseDuration(max_duration));
      if (max_output_bytes !== undefined)
        limits.outputBytesMax = Math.min(limits.outputBytesMax, max_output_bytes);
      if (max_effects !== undefined) limits.effectsMax = Math.min(limits.effectsMax, max_effects);
    }
  }
  return limits;
}
