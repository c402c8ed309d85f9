import { AuditUnavailableError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";
import { commitToText, digestOfText } from "./commitment.js";
import type { Blob } from "./store.js";
import type { SecureExecutionContext } from "./context.js";
import type { Demand } from "./demand.js";
import { Effects } from "./effects.js";
import type { Power } from "./power.js";
import type { Authorization, GuardCall, GuardParts } from "./guard-call.js";
import { environmentOf, invokeAction, type Outcome, outcomeOf } from "./invoke-action.js";
import type { Tx } from "./ledger.js";
import { commonMembers } from "./records.js";
import { completed, type ExecutionResult, unfinished } from "./result.js";
import { assertOpen, RunningStep } from "./running-steps.js";
import { settle, type Settled } from "./settle.js";
import type { StepLimits } from "./step-limits.js";

interface Authorized {
  readonly context: SecureExecutionContext;
  readonly demand: Demand;
  readonly limits: StepLimits;
  readonly authorization: Authorization;
}

/** Runs an action whose authorisation is durable, and gives its result out when that is durable too. */
export async function runAuthorized(
  parts: GuardParts,
  call: GuardCall,
  authorized: Authorized,
): Promise<ExecutionResult> {
  const { context, demand, limits, authorization } = authorized;
  const step = new RunningStep(authorization.requestId, context.agentId, authorization.bindings);
  const common = {
    request_id: authorization.requestId,
    ...commonMembers(context, { runId: call.options.runId ?? null, attempt: call.options.attempt ?? 1 }),
  };
  const effects = new Effects(
    step,
    parts.ledger,
    powersOf(demand, authorization),
    { effectsMax: limits.effectsMax, bytesMax: limits.outputBytesMax },
    common,
    demand.params,
  );
  parts.running.add(step);
  const disarm = arm(step, limits, call.options.signal);
  const startedAt = performance.now();
  try {
    // Asked again after the append: what expired or was revoked meanwhile does not start (D7).
    step.checkStart(parts.ledger);
    const settled = await perform(parts, authorized, step, effects);
    const outcome = outcomeOf(settled, limits.outputBytesMax, effects.told);
    return await complete({ parts, call, authorized, step, effects, common, settled, outcome, startedAt });
  } finally {
    disarm();
    parts.running.remove(step);
  }
}

async function perform(
  parts: GuardParts,
  { context, demand }: Authorized,
  step: RunningStep,
  effects: Effects,
): Promise<Settled> {
  if (step.stop !== undefined) return { kind: "not_started" };
  const work = invokeAction(
    context.action,
    demand.params,
    parts.handles,
    effects,
    environmentOf(context, step),
  );
  const settled = await settle(work, step);
  effects.end();
  if (settled.kind === "abandoned") {
    const refuse = () => effects.refuseLateResult();
    work.then(refuse, refuse);
  }
  return settled;
}

function powersOf(demand: Demand, { bindings }: Authorization): readonly Power[] {
  const { agentId, workflowId, stepId } = demand;
  return demand.requirements.map((requirement, index) => ({
    requirement,
    ceiling: index === 0 ? demand.ceiling : [requirement],
    binding: bindings[index] as Power["binding"],
    paramsOnUse: index > 0 && demand.paramsOnUse === true ? { agentId, workflowId, stepId } : undefined,
  }));
}

function arm(step: RunningStep, limits: StepLimits, signal: AbortSignal | undefined): () => void {
  const message = `the step ran longer than its deadline of ${limits.deadlineMs} ms`;
  const timer = setTimeout(
    () => step.end({ code: "deadline_exceeded", message }),
    Math.min(limits.deadlineMs, 2 ** 31 - 1),
  );
  const cancel = () => step.end({ code: "cancelled", message: "the step was cancelled" });
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  };
}

interface Ending {
  readonly parts: GuardParts;
  readonly call: GuardCall;
  readonly authorized: Authorized;
  readonly step: RunningStep;
  readonly effects: Effects;
  readonly common: JsonObject;
  readonly settled: Settled;
  readonly outcome: Outcome;
  readonly startedAt: number;
}

/** Appends the outcome; the result is given out when it is durable, and only if the authority still stands. */
async function complete(ending: Ending): Promise<ExecutionResult> {
  const { parts, authorized } = ending;
  const { context, authorization } = authorized;
  const output = outputRecord(ending);
  try {
    return await parts.ledger.submit(context.agentId, (tx) => appendCompleted(tx, ending, output), "begun");
  } catch (error) {
    if (!(error instanceof AuditUnavailableError)) throw error;
    const failure = {
      code: error.code,
      message: `the action ran, but its outcome could not be recorded: ${error.message}`,
    };
    return unfinished(context, authorization.bindings, "unknown", failure);
  }
}

interface OutputRecord {
  /** To be kept with the event. */
  readonly blob: Blob | undefined;
  /** Members that say what it commits to; called in the transition. */
  readonly members: (name: "output" | "late_output") => JsonObject;
}

/** What is recorded of an output, made before the log is locked: it may be large. */
function outputRecord({ outcome, effects }: Ending): OutputRecord {
  if (!("output" in outcome)) return { blob: undefined, members: () => ({}) };
  const { canonical } = outcome;
  const answer = effects.answerLike(canonical);
  if (answer !== undefined) {
    const members = (name: string): JsonObject => {
      // Its event stands before this one in the agent's lane, or could not be recorded: then nothing gets here.
      if (answer.seq === undefined) throw new AuditUnavailableError("the step's last answer is not recorded");
      return { [`${name}_commitment`]: answer.ref, [`${name}_seq`]: answer.seq };
    };
    return { blob: undefined, members };
  }
  const blob = commitToText(canonical);
  return { blob, members: (name) => ({ [`${name}_commitment`]: blob.ref }) };
}

function appendCompleted(
  tx: Tx,
  { parts, call, authorized, step, effects, common, settled, outcome, startedAt }: Ending,
  output: OutputRecord,
): ExecutionResult {
  const { context, authorization } = authorized;
  const { bindings } = authorization;
  if (effects.unrecorded !== undefined) throw effects.unrecorded;
  assertOpen(tx, authorization.requestId);
  // The last word inside the transaction: a revocation that came first fences this result (D7).
  step.checkAuthority(parts.ledger);
  const failure = step.stop ?? ("failure" in outcome ? outcome.failure : undefined);
  if (output.blob !== undefined) tx.keep(output.blob);
  tx.emit({
    event: call.records.completed,
    binding_id: bindings[0]?.id ?? "",
    result: failure === undefined ? "success" : "failure",
    duration_ms: Math.round(performance.now() - startedAt),
    effects: effects.count,
    ...common,
    ...(failure === undefined ? {} : { code: failure.code }),
    // A result that came too late is recorded under its own name, and not delivered.
    ...output.members(failure === undefined ? "output" : "late_output"),
    ...(settled.kind === "abandoned" ? { abandoned: true } : {}),
  });
  if (failure === undefined && "output" in outcome) {
    return completed(context, bindings, outcome.output, digestOfText(outcome.canonical));
  }
  const why = failure ?? { code: "action_failed", message: "the action failed" };
  return unfinished(context, bindings, step.stop?.code === "cancelled" ? "cancelled" : "failed", why);
}
