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
  const constraints = bindings.flatMap((binding) => binding.chain.map((link) => link.constraints));
  return {
    // A caller's own time-out replaces the default, longer or shorter; a constraint bounds both.
    deadlineMs: Math.min(
      deadlineMs ?? defaults.deadlineMs,
      ...constraints.map(({ max_duration }) =>
        max_duration === undefined ? Infinity : parseDuration(max_duration),
      ),
    ),
    outputBytesMax: Math.min(
      defaults.outputBytesMax,
      ...constraints.map((each) => each.max_output_bytes ?? Infinity),
    ),
    effectsMax: Math.min(defaults.effectsMax, ...constraints.map((each) => each.max_effects ?? Infinity)),
  };
}
