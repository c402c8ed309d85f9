import type { ActionRegistry } from "../core/action.js";
import type { AuditMechanism } from "../core/audit.js";
import { digestOf } from "../core/commitment.js";
import type { SecureWorkflowExecutor } from "../core/execution.js";
import { failureOf } from "../core/settle.js";
import type { JsonObject } from "../model/json.js";
import { checkActions, type StepDefinition, type WorkflowDefinition } from "./definition.js";
import { type ExpressionScope, evaluateCondition } from "./expression.js";
import { RunLog } from "./run-log.js";
import type { RunStatus, RunSummary, StepProgress, StepReport } from "./report.js";
import { checkRetries, executeWithRetries } from "./retry.js";
import { Scheduler } from "./scheduler.js";
import type { RunFacts } from "./step-request.js";
import { endedSteps, type StepEnd } from "./step-end.js";

/** The parts of a pipeline that a run uses. */
export interface RunParts {
  readonly executor: SecureWorkflowExecutor;
  readonly audit: AuditMechanism;
  readonly actions: ActionRegistry;
  readonly workingFolder: string;
}

export interface RunOptions {
  readonly pipeline: RunParts;
  readonly definition: WorkflowDefinition;
  /** As `resolveInputs` gives them. */
  readonly inputs: JsonObject;
  /** Default the definition's, else 0. */
  readonly seed?: number | string | undefined;
  /** Steps at a time; default 8. */
  readonly concurrency?: number | undefined;
  /** Cancels the run: running steps are stopped, no others start. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: ((run: { readonly run_id: string; readonly workflow: string }) => void) | undefined;
  readonly onStep?: ((progress: StepProgress) => void) | undefined;
}

const defaultConcurrency = 8;

/**
 * Runs a workflow: every step through the executor, as soon as its needs have ended. The run's start, its
 * steps and its end are in the log.
 *
 * @throws DocumentError for unknown actions and retries of what is not idempotent, and TypeError for a
 *   `concurrency` that is none, before anything runs; AuditUnavailableError when the run itself cannot be recorded.
 */
export async function runWorkflow(options: RunOptions): Promise<RunSummary> {
  const { pipeline, definition, inputs, signal, concurrency = defaultConcurrency } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new TypeError("`concurrency` is a whole number of steps, at least 1");
  }
  checkActions(definition, new Set(pipeline.actions.names()));
  checkRetries(definition, pipeline.actions);
  const seed = options.seed ?? definition.seed ?? 0;
  const log = await RunLog.start(pipeline.audit, { definition, inputs, seed });
  options.onStart?.({ run_id: log.runId, workflow: definition.name });
  const facts: RunFacts = {
    runId: log.runId,
    workflowId: definition.name,
    seed,
    workingFolder: pipeline.workingFolder,
  };
  const ends = new Map<string, StepEnd>();
  let stoppedBy: RunStatus | undefined;

  const scheduler = new Scheduler(definition.steps, concurrency, async (step) => {
    const end = await runStep(step, pipeline, facts, scopeOf(inputs, ends, facts), signal);
    ends.set(step.id, end);
    options.onStep?.(progressOf(step, end));
    stoppedBy ??= stopOf(step, end);
    if (stoppedBy !== undefined) scheduler.stop();
  });
  const onAbort = () => scheduler.stop();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  const unstarted = await scheduler.run().finally(() => signal?.removeEventListener("abort", onAbort));

  const cancelled = signal?.aborted === true;
  for (const step of unstarted) ends.set(step.id, notStarted(cancelled ? "cancelled" : "skipped"));
  const status: RunStatus = cancelled ? "cancelled" : (stoppedBy ?? "completed");
  const steps = definition.steps.map((step) => reportOf(step, ends.get(step.id) ?? notStarted("skipped")));
  // Covers what happened, no generated ids (SEMANTICS R2).
  const result_digest = digestOf(
    steps.map(({ step_id, status: ended, reason, output_digest }) => ({
      step_id,
      status: ended,
      reason,
      output_digest,
    })),
  );
  const summary: RunSummary = Object.freeze({ run_id: log.runId, status, steps, result_digest });
  await log.end(summary);
  return summary;
}

/** One step from its condition to its end; whatever goes wrong is an end, never a rejection. */
async function runStep(
  step: StepDefinition,
  pipeline: RunParts,
  facts: RunFacts,
  scope: ExpressionScope,
  signal: AbortSignal | undefined,
): Promise<StepEnd> {
  const startedAt = performance.now();
  try {
    if (step.if !== undefined && !evaluateCondition(step.if, scope)) return notStarted("skipped");
    return await executeWithRetries(step, pipeline, facts, scope, signal, startedAt);
  } catch (error) {
    // Nothing was asked of the guard: an expression failed, or gave something that no context can be made of.
    const { code, message } = failureOf(error);
    return { ...notStarted("failed"), reason: code, explanation: message };
  }
}

function scopeOf(inputs: JsonObject, ends: ReadonlyMap<string, StepEnd>, facts: RunFacts): ExpressionScope {
  const run = { id: facts.runId, workflow: facts.workflowId, seed: facts.seed, folder: facts.workingFolder };
  return { inputs, steps: endedSteps(ends), run };
}

function stopOf(step: StepDefinition, { status }: StepEnd): RunStatus | undefined {
  if (status === "denied") return step.onDenied === "stop" ? "denied" : undefined;
  // What nobody can know is not passed over by `continue`: a person decides.
  if (status === "unknown") return "unknown";
  return status === "failed" && step.onError === "stop" ? "failed" : undefined;
}

function notStarted(status: "skipped" | "cancelled" | "failed"): StepEnd {
  return {
    status,
    reason: null,
    bindingId: null,
    outputDigest: null,
    output: undefined,
    capability: null,
    explanation: null,
    durationMs: 0,
    attempt: 0,
  };
}

function reportOf(step: StepDefinition, end: StepEnd): StepReport {
  return {
    step_id: step.id,
    status: end.status,
    reason: end.reason,
    binding_id: end.bindingId,
    output_digest: end.outputDigest,
  };
}

function progressOf(step: StepDefinition, end: StepEnd): StepProgress {
  return {
    ...reportOf(step, end),
    agent: step.agent,
    action: step.action,
    capability: end.capability,
    explanation: end.explanation,
    duration_ms: end.durationMs,
    attempt: end.attempt,
  };
}
