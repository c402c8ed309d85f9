import { digestOf } from "../core/commitment.js";
import { failureOf } from "../core/settle.js";
import type { JsonObject } from "../model/json.js";
import type { StepDefinition, WorkflowDefinition } from "./definition.js";
import { type ExpressionScope, evaluateCondition } from "./expression.js";
import type { RunStatus, RunSummary, StepProgress, StepReport } from "./report.js";
import { executeWithRetries } from "./retry.js";
import type { RunLog } from "./run-log.js";
import type { RunParts } from "./run.js";
import { Scheduler } from "./scheduler.js";
import { endedSteps, type StepEnd } from "./step-end.js";
import type { RunFacts } from "./step-request.js";

/** How a run goes on, whether it is new or resumed. */
export interface ExecutionOptions {
  /** Steps at a time; default 8. */
  readonly concurrency?: number | undefined;
  /** Cancels the run: running steps are stopped, no others start. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: ((run: { readonly run_id: string; readonly workflow: string }) => void) | undefined;
  readonly onStep?: ((progress: StepProgress) => void) | undefined;
}

/** What the log holds of a step from before: its end, or which attempt comes next. */
export type StepBefore = { readonly end: StepEnd } | { readonly nextAttempt: number };

interface Execution {
  readonly pipeline: RunParts;
  readonly log: RunLog;
  readonly definition: WorkflowDefinition;
  readonly inputs: JsonObject;
  readonly seed: number | string;
  /** By step id; nothing for a step that never started. */
  readonly before: ReadonlyMap<string, StepBefore>;
  readonly options: ExecutionOptions;
}

const defaultConcurrency = 8;

/** @throws TypeError */
export function checkConcurrency({ concurrency = defaultConcurrency }: ExecutionOptions): void {
  if (Number.isSafeInteger(concurrency) && concurrency >= 1) return;
  throw new TypeError("`concurrency` is a whole number of steps, at least 1");
}

/** Runs what is left of a run whose start is in the log, and records its end. */
export async function executeRun(execution: Execution): Promise<RunSummary> {
  const { pipeline, log, definition, inputs, seed, before, options } = execution;
  const { signal, concurrency = defaultConcurrency } = options;
  options.onStart?.({ run_id: log.runId, workflow: definition.name });
  const facts: RunFacts = {
    runId: log.runId,
    workflowId: definition.name,
    seed,
    workingFolder: pipeline.workingFolder,
  };
  const run = Object.freeze({
    id: log.runId,
    workflow: definition.name,
    seed,
    folder: pipeline.workingFolder,
  });
  const ends = new Map<string, StepEnd>();
  for (const { id } of definition.steps) {
    const known = before.get(id);
    if (known !== undefined && "end" in known) ends.set(id, known.end);
  }
  const steps = inOrder(definition);
  const scheduler = new Scheduler(
    steps,
    concurrency,
    async (step) => {
      const known = before.get(step.id);
      const first = known !== undefined && "nextAttempt" in known ? known.nextAttempt : 1;
      ended(step, await runStep(step, pipeline, facts, new RunScope(inputs, run, ends), signal, first));
    },
    ends.keys(),
  );
  const ended = (step: StepDefinition, end: StepEnd): void => {
    ends.set(step.id, end);
    options.onStep?.(progressOf(step, end));
    if (stopOf(step, end) !== undefined) scheduler.stopAfter(step.id);
  };
  for (const step of definition.steps) {
    const known = ends.get(step.id);
    if (known !== undefined) ended(step, known);
  }
  const onAbort = () => scheduler.stop();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  const unstarted = await scheduler.run().finally(() => signal?.removeEventListener("abort", onAbort));

  const cancelled = signal?.aborted === true;
  const stoppedBy = firstStop(steps, ends);
  for (const step of unstarted) ends.set(step.id, notStarted(cancelled ? "cancelled" : "skipped"));
  const status: RunStatus = cancelled ? "cancelled" : (stoppedBy ?? "completed");
  const reports = definition.steps.map((step) => reportOf(step, ends.get(step.id) ?? notStarted("skipped")));
  const result_digest = resultDigest(reports, (id) => cancelled || scheduler.reaches(id));
  const summary: RunSummary = Object.freeze({ run_id: log.runId, status, steps: reports, result_digest });
  await log.end(summary);
  return summary;
}

/** Each step behind those that it needs. */
function inOrder({ order, steps }: WorkflowDefinition): readonly StepDefinition[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return order.map((id) => byId.get(id) as StepDefinition);
}

/** What stopped the run: of several that would have, the one that one step at a time would have come to first. */
function firstStop(
  steps: readonly StepDefinition[],
  ends: ReadonlyMap<string, StepEnd>,
): RunStatus | undefined {
  for (const step of steps) {
    const end = ends.get(step.id);
    const stop = end === undefined ? undefined : stopOf(step, end);
    if (stop !== undefined) return stop;
  }
  return undefined;
}

/**
 * Covers what happened, no generated ids (SEMANTICS R2), up to the step that stopped the run: what ran beside that by
 * chance of timing stands in the report and not in the digest.
 */
function resultDigest(steps: readonly StepReport[], counts: (id: string) => boolean): string {
  return digestOf(
    steps.map(({ step_id, status, reason, output_digest }) =>
      counts(step_id)
        ? { step_id, status, reason, output_digest }
        : { step_id, status: "skipped", reason: null, output_digest: null },
    ),
  );
}

/** One step from its condition to its end; whatever goes wrong is an end, never a rejection. */
async function runStep(
  step: StepDefinition,
  pipeline: RunParts,
  facts: RunFacts,
  scope: ExpressionScope,
  signal: AbortSignal | undefined,
  firstAttempt: number,
): Promise<StepEnd> {
  const startedAt = performance.now();
  try {
    if (step.if !== undefined && !evaluateCondition(step.if, scope)) return notStarted("skipped");
    return await executeWithRetries(step, pipeline, facts, scope, { signal, firstAttempt, startedAt });
  } catch (error) {
    // Nothing was asked of the guard: an expression failed, or gave something that no context can be made of.
    const { code, message } = failureOf(error);
    return { ...notStarted("failed"), reason: code, explanation: message };
  }
}

/** What the expressions of one step see. */
class RunScope implements ExpressionScope {
  readonly inputs: JsonObject;
  readonly run: JsonObject;
  readonly #ends: ReadonlyMap<string, StepEnd>;
  #steps: JsonObject | undefined;

  constructor(inputs: JsonObject, run: JsonObject, ends: ReadonlyMap<string, StepEnd>) {
    this.inputs = inputs;
    this.run = run;
    this.#ends = ends;
  }

  /** Put together for who asks: most steps do not, and each would look at all that ended before it. */
  get steps(): JsonObject {
    return (this.#steps ??= endedSteps(this.#ends));
  }
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
