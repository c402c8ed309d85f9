import type { ActionRegistry } from "../core/action.js";
import { DocumentError } from "../model/errors.js";
import type { StepDefinition, WorkflowDefinition } from "./definition.js";
import type { ExpressionScope } from "./expression.js";
import type { RunParts } from "./run.js";
import { endOf, type StepEnd } from "./step-end.js";
import { contextOf, type RunFacts } from "./step-request.js";

/**
 * Only what may be done twice is retried (SEMANTICS R6).
 * @throws DocumentError at the first step that wants to retry something else.
 */
export function checkRetries(definition: WorkflowDefinition, actions: ActionRegistry): void {
  for (const step of definition.steps) {
    if (step.retry.attempts === 0 || actions.get(step.action)?.idempotent === true) continue;
    const { line, column } = step.actionPosition;
    throw new DocumentError(
      "invalid_workflow",
      definition.file,
      line,
      column,
      `step \`${step.id}\` wants retries, but \`${step.action}\` is not idempotent`,
      "remove `retry`: doing it twice may do more than doing it once",
    );
  }
}

/** Tries a step, again while it fails and may be tried; each try is a new decision and a new charge. */
export async function executeWithRetries(
  step: StepDefinition,
  pipeline: RunParts,
  facts: RunFacts,
  scope: ExpressionScope,
  options: {
    readonly signal: AbortSignal | undefined;
    /** 1 unless the log holds attempts from before. */
    readonly firstAttempt: number;
    readonly startedAt: number;
  },
): Promise<StepEnd> {
  const { signal, firstAttempt, startedAt } = options;
  const action = pipeline.actions.get(step.action);
  if (action === undefined) throw new TypeError(`unknown action \`${step.action}\``);
  const context = contextOf(step, action, scope, facts);
  for (let attempt = firstAttempt; ; attempt++) {
    const result = await pipeline.executor.executeStep(context, {
      runId: facts.runId,
      attempt,
      signal,
      deadlineMs: step.timeoutMs,
    });
    const mayRetry = result.status === "failed" && result.error.code !== "revoked_while_running";
    if (!mayRetry || attempt > step.retry.attempts || signal?.aborted === true) {
      const durationMs = Math.round(performance.now() - startedAt);
      return endOf(result, context.requiredCapability, durationMs, attempt);
    }
    await pause(step.retry.delayMs, signal);
  }
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener("abort", done, { once: true });
  });
}
