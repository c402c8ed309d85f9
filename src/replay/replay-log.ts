import { decideAgain, recordedRequest, type RecordedRequest } from "../core/recorded-request.js";
import { chargesOf } from "../core/records.js";
import { failureOf } from "../core/settle.js";
import { canonicalJson } from "../model/canonical.js";
import { EvidenceError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import type { Decision } from "../model/decide.js";
import type { JsonObject } from "../model/json.js";
import { State } from "../model/state.js";
import { readRecorded } from "./blob-reader.js";
import type { Divergence } from "./divergence.js";
import {
  type RecordedExecution,
  type Reexecution,
  replayExecution,
  type ReplayParts,
} from "./replay-step.js";

/** Whether a request is decided as it was, by the policy of that moment. */
export type Redecision =
  | { readonly status: "identical" }
  | { readonly status: "diverged"; readonly divergence: Divergence }
  | { readonly status: "unavailable"; readonly why: string };

/** One request of the log, decided again and run again. */
export interface StepReplay {
  /** Number of the event that decided it. */
  readonly seq: number;
  readonly run_id: string | null;
  readonly step_id: string;
  readonly attempt: number;
  readonly agent_id: string;
  readonly action: string;
  readonly allowed: boolean;
  readonly decision: Redecision;
  /** Undefined for what was denied: there was nothing to run. */
  readonly execution: Reexecution | undefined;
}

export interface ReplayOptions extends ReplayParts {
  /** Events in log order: all of them, or those that any of the decisions follows from (a bundle). */
  readonly events: Iterable<AuditEvent>;
  /** Which requests to replay; the others only take part in the state. */
  readonly selects: (request: AuditEvent) => boolean;
  /** Told of each event that was read. */
  readonly onEvent?: ((event: AuditEvent) => void) | undefined;
}

interface Pending {
  readonly requested: AuditEvent;
  readonly decided: RecordedRequest;
  readonly decision: Redecision;
  readonly effects: AuditEvent[];
}

/**
 * Folds the log and, at the place of every request that is selected, decides again and compares decision, bindings
 * and reason (SEMANTICS D6); then runs its action again with effects from the journal. Appends nothing, charges
 * nothing, reaches nothing outside (R4).
 *
 * @throws EvidenceError `malformed_entry` when the log is not one that this package wrote.
 */
export async function* replayLog(options: ReplayOptions): AsyncGenerator<StepReplay> {
  const state = new State();
  const pending = new Map<string, Pending>();
  let asked: AuditEvent | undefined;
  for (const event of options.events) {
    options.onEvent?.(event);
    // A bundle holds what matters for its run; what it leaves out changed nothing that is asked here.
    state.seq = event.seq - 1;
    // Both stand in the log together (D5): one without the other was left out, and a step would go unseen.
    if (asked !== undefined && !isStepDecision(event))
      throw unreadable(event, new Error(`the decision about event ${asked.seq} does not follow it`));
    if (asked === undefined && isStepDecision(event) && options.selects(event))
      throw unreadable(event, new Error("the request that it decides does not stand before it"));
    if (event.event === "step_execution_requested") asked = options.selects(event) ? event : undefined;
    const requestId = event["request_id"];
    if (typeof requestId === "string") {
      const requested = event.event.startsWith("capability_") && options.selects(event) ? event : asked;
      const decided = requested === undefined ? undefined : decidedBy(event, requested);
      const open = pending.get(requestId);
      if (requested !== undefined && decided !== undefined) {
        const decision = decideAsThen(decided, state, options);
        const one: Pending = { requested, decided, decision, effects: [] };
        if (decided.answer.allowed) pending.set(requestId, one);
        else yield reportOf(one, undefined);
        asked = undefined;
      } else if (open !== undefined && isEnd(event)) {
        pending.delete(requestId);
        yield await replayed(open, event, options);
      } else if (open !== undefined && event.event.startsWith("effect_")) open.effects.push(event);
    }
    fold(state, event);
  }
  if (asked !== undefined) throw unreadable(asked, new Error("a request has no decision"));
  for (const open of pending.values()) yield await replayed(open, undefined, options);
}

/** Whether anything of it was not as recorded. */
export function isDiverged({ decision, execution }: StepReplay): boolean {
  return decision.status === "diverged" || execution?.status === "diverged";
}

function decidedBy(event: AuditEvent, requested: AuditEvent): RecordedRequest | undefined {
  try {
    return recordedRequest(event, requested);
  } catch (cause) {
    throw unreadable(event, cause);
  }
}

function fold(state: State, event: AuditEvent): void {
  try {
    state.fold(event);
  } catch (cause) {
    throw unreadable(event, cause);
  }
}

/** Not a log that this package wrote, or one that was changed. */
function unreadable({ seq }: AuditEvent, cause: unknown): EvidenceError {
  const message = `event ${seq} cannot follow from what stands before it: ${failureOf(cause).message}`;
  const hint = "`synapse audit verify` says what else is wrong with the log";
  return new EvidenceError("malformed_entry", message, { seq, hint, cause });
}

function decideAsThen(request: RecordedRequest, state: State, { read }: ReplayOptions): Redecision {
  const params = request.paramsKey === undefined ? undefined : readRecorded(request.paramsKey, read);
  if (params?.state === "forged") {
    const message = "the record of its parameters is not what was committed to: its bytes were changed";
    return { status: "diverged", divergence: { kind: "journal", message, recorded: null, replayed: null } };
  }
  const again = decideAgain(request, params?.state === "present" ? params.value : {}, state);
  const recorded = { ...answerShown(request.answer), ...recordedBasis(request) };
  const replayed = { ...answerShown(again), ...basisOf(request, again, state) };
  if (canonicalJson(recorded) === canonicalJson(replayed)) return { status: "identical" };
  // Without its parameters it cannot be told what a constraint on them would say.
  if (params?.state === "unavailable") return { status: "unavailable", why: "its parameters were erased" };
  const message = "it is decided otherwise by the policy of that moment";
  return { status: "diverged", divergence: { kind: "decision", message, recorded, replayed } };
}

/** What a decision says that it rests on and uses up: whoever changes that changes decisions that come later. */
function recordedBasis({ kind, decision, stateSeq, answer }: RecordedRequest): JsonObject {
  if (kind === "check") return {};
  return { state_seq: stateSeq, ...(answer.allowed ? { charged: decision["charged"] ?? null } : {}) };
}

function basisOf({ kind }: RecordedRequest, again: Decision, { seq }: State): JsonObject {
  if (kind === "check") return {};
  return { state_seq: seq, ...(again.allowed ? { charged: chargesOf(again.bindings) } : {}) };
}

function answerShown(answer: RecordedRequest["answer"] | Decision): JsonObject {
  return answer.allowed
    ? { allowed: true, binding_ids: [...answer.bindingIds] }
    : { allowed: false, reason: answer.reason };
}

async function replayed(
  pending: Pending,
  ended: AuditEvent | undefined,
  parts: ReplayParts,
): Promise<StepReplay> {
  const { requested, effects } = pending;
  const recorded: RecordedExecution = { requested, effects, ended };
  return reportOf(pending, await replayExecution(recorded, parts));
}

function reportOf({ requested, decided, decision }: Pending, execution: Reexecution | undefined): StepReplay {
  const { run_id: runId, attempt } = requested;
  return Object.freeze({
    seq: decided.decision.seq,
    run_id: typeof runId === "string" ? runId : null,
    step_id: decided.stepId,
    attempt: typeof attempt === "number" ? attempt : 1,
    agent_id: decided.agentId,
    action: textMember(requested, "action"),
    allowed: decided.answer.allowed,
    decision,
    execution,
  });
}

function isStepDecision({ event }: AuditEvent): boolean {
  return event === "step_execution_authorized" || event === "step_execution_denied";
}

function isEnd({ event }: AuditEvent): boolean {
  return (
    event === "step_execution_completed" ||
    event === "capability_executed" ||
    event === "step_outcome_unknown"
  );
}
