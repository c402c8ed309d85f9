import { boundedText } from "../model/bounded-text.js";
import { SynapseError } from "../model/errors.js";
import type { ExecutionFailure } from "./result.js";
import type { RunningStep } from "./running-steps.js";

/** How an action's code ended, as the guard saw it. */
export type Settled =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown }
  /** Its authority was gone before its code was called. */
  | { readonly kind: "not_started" }
  /** It ignored the signal; its handles are dead, and what it may still give is not taken. */
  | { readonly kind: "abandoned" };

/** How long an action may take to end after its signal was aborted. */
export const graceMs = 250;

/** Waits for the action, or, once the step is stopped, for no longer than the grace. Never rejects. */
export async function settle(work: Promise<unknown>, step: RunningStep): Promise<Settled> {
  const ended = work.then(
    (value): Settled => ({ kind: "value", value }),
    (error: unknown): Settled => ({ kind: "error", error }),
  );
  let timer: NodeJS.Timeout | undefined;
  const abandoned = step.stopped.then(
    () =>
      new Promise<Settled>((resolve) => {
        timer = setTimeout(() => resolve({ kind: "abandoned" }), graceMs);
      }),
  );
  const settled = await Promise.race([ended, abandoned]);
  clearTimeout(timer);
  return settled;
}

const codePattern = /^[a-z][a-z0-9_]{0,63}$/;

/** What went wrong inside an action, as data; a hostile error object cannot throw again from here. */
export function failureOf(error: unknown): ExecutionFailure {
  try {
    const message: unknown = error instanceof Error ? error.message : error;
    // The code goes into the log, so it has to look like one.
    const own: unknown = error instanceof SynapseError ? error.code : undefined;
    const code = typeof own === "string" && codePattern.test(own) ? own : "action_failed";
    return { code, message: boundedText(String(message), 2_000) };
  } catch {
    return { code: "action_failed", message: "the action threw something that cannot be shown" };
  }
}
