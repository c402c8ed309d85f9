import { blobKeyOf } from "../core/commitment.js";
import type { Action } from "../core/action.js";
import { SecureExecutionContext } from "../core/context.js";
import { requirementsOf } from "../core/demand.js";
import { environmentOf, invokeAction, outcomeOf } from "../core/invoke-action.js";
import type { HandleFactory } from "../core/ports.js";
import { failureOf, type Settled } from "../core/settle.js";
import { EvidenceError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import { type BlobReader, isRecorded, readRecorded, shownValue } from "./blob-reader.js";
import type { Divergence } from "./divergence.js";
import { readJournal } from "./journal.js";
import { forged, type Halt, ReplayGate } from "./replay-gate.js";

/** What the log holds of one authorised request. */
export interface RecordedExecution {
  readonly requested: AuditEvent;
  /** Effect events, in log order. */
  readonly effects: readonly AuditEvent[];
  /** `…_completed` or `step_outcome_unknown`; undefined while it runs. */
  readonly ended: AuditEvent | undefined;
}

/** What running an action again came to. */
export type Reexecution =
  | { readonly status: "identical"; readonly effects: number }
  | { readonly status: "diverged"; readonly effects: number; readonly divergence: Divergence }
  /** The same up to where it was stopped from outside, or where its process was gone: there is no end to compare. */
  | { readonly status: "identical_until_stopped"; readonly effects: number; readonly why: string }
  /** What was recorded was erased (SEMANTICS R4). */
  | { readonly status: "unavailable"; readonly effects: number; readonly why: string }
  /** It was not run again, and why. */
  | { readonly status: "not_replayed"; readonly effects: 0; readonly why: string };

export interface ReplayParts {
  readonly actions: { get(name: string): Action | undefined };
  /** Their bodies are never called. */
  readonly handles: HandleFactory;
  readonly read: BlobReader;
  /** Lets go of a step that is in the middle; the replay throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default: a minute, and four times as long as the recorded step took; a stall 5 s, and as long as it took. */
  readonly patience?: Partial<ReplayPatience> | undefined;
}

/** How long an action is waited for, ms. */
export interface ReplayPatience {
  /** While it waits for an answer whose turn does not come, since it does not ask for what came before. */
  readonly stallMs: number;
  /** In all. */
  readonly deadlineMs: number;
}

const dayMs = 24 * 60 * 60 * 1_000;

/** Ends that came from outside the action: it was somewhere in the middle. */
const stops: ReadonlySet<string> = new Set([
  "revoked_while_running",
  "deadline_exceeded",
  "cancelled",
  "audit_unavailable",
  "abandoned",
]);

/**
 * Runs the action of a recorded request again, with nothing but the journal behind its handles, and compares what
 * it does and what it gives (SEMANTICS R4).
 */
export async function replayExecution(
  { requested, effects, ended }: RecordedExecution,
  parts: ReplayParts,
): Promise<Reexecution> {
  const name = textMember(requested, "action");
  const action = parts.actions.get(name);
  if (action === undefined) return notReplayed(`the action \`${name}\` is not known here`);
  if (!action.replayable) return notReplayed(`the action \`${name}\` is not marked as replayable`);
  const params = readRecorded(blobKeyOf(requested, "params_commitment"), parts.read);
  if (params.state === "unavailable") return unavailable(0, "its parameters were erased");
  if (params.state === "forged" || !isJsonObject(params.value)) {
    return { status: "diverged", effects: 0, divergence: forged("the record of its parameters").divergence };
  }
  const required = requirementsDivergence(action, requested, params.value);
  if (required !== undefined) return { status: "diverged", effects: 0, divergence: required };
  return run(contextOf(requested, action, params.value), params.value, effects, ended, parts);
}

async function run(
  context: SecureExecutionContext,
  params: JsonObject,
  effects: readonly AuditEvent[],
  ended: AuditEvent | undefined,
  parts: ReplayParts,
): Promise<Reexecution> {
  const stop = stopOf(ended);
  const journal = readJournal(stop === undefined ? effects : untilStopped(effects), parts.read);
  const { stallMs, deadlineMs } = { ...patienceWith(ended), ...parts.patience };
  const gate = new ReplayGate(context.agentId, journal, { whole: stop === undefined, params, stallMs });
  const interrupt = () => gate.end({ kind: "journal_ended" });
  parts.signal?.addEventListener("abort", interrupt, { once: true });
  const timer = setTimeout(() => gate.end(tooLong(deadlineMs)), deadlineMs);
  try {
    const { action, actionParams } = context;
    const env = environmentOf(context, gate);
    const settled = await settledBefore(
      gate.halted,
      invokeAction(action, actionParams, parts.handles, gate, env),
    );
    parts.signal?.throwIfAborted();
    if (gate.halt !== undefined || settled === undefined)
      return halted(gate.halt ?? { kind: "journal_ended" }, gate.count, stop);
    const left = gate.leftOut();
    if (left !== undefined) return { status: "diverged", effects: gate.count, divergence: left };
    if (stop !== undefined) return { status: "identical_until_stopped", effects: gate.count, why: stop };
    // How much the step was allowed to give out is not recorded: that it was too much is.
    const outcome = outcomeOf(settled, Infinity);
    const divergence = outcomeDivergence(outcome, ended as AuditEvent, parts.read);
    if (typeof divergence === "object") return { status: "diverged", effects: gate.count, divergence };
    const erased = divergence ?? gate.erased;
    return erased === undefined
      ? { status: "identical", effects: gate.count }
      : unavailable(gate.count, `${erased} was erased, and all else is identical`);
  } finally {
    clearTimeout(timer);
    parts.signal?.removeEventListener("abort", interrupt);
    // Whatever the action kept of its handles is dead.
    gate.end({ kind: "journal_ended" });
  }
}

/** How the action ended, unless the replay was halted first: then whatever it still does is not waited for. */
function settledBefore(halted: Promise<void>, work: Promise<unknown>): Promise<Settled | undefined> {
  const settled = work.then(
    (value): Settled => ({ kind: "value", value }),
    (error: unknown): Settled => ({ kind: "error", error }),
  );
  return Promise.race([settled, halted.then(() => undefined)]);
}

/**
 * The effects of a step before it was stopped. What came after shows how the action took its end, and when that came
 * nobody recorded: its signal, and every use of a handle, told it at the same time.
 */
function untilStopped(effects: readonly AuditEvent[]): readonly AuditEvent[] {
  const end = effects.findIndex(
    ({ event, reason, code }) =>
      (event === "effect_denied" && (stops.has(reason as string) || reason === "step_ended")) ||
      (event === "effect_performed" && code === "cancelled"),
  );
  return end < 0 ? effects : effects.slice(0, end);
}

/** A step may take its time as it did then, and more: this machine may be a slower one. */
function patienceWith(ended: AuditEvent | undefined): ReplayPatience {
  const duration = ended?.["duration_ms"];
  const took = typeof duration === "number" ? Math.min(duration, dayMs) : 0;
  return { stallMs: 5_000 + took, deadlineMs: 60_000 + 4 * took };
}

function halted(halt: Halt, effects: number, stop: string | undefined): Reexecution {
  if (halt.kind === "diverged") return { status: "diverged", effects, divergence: halt.divergence };
  if (halt.kind === "unavailable") return unavailable(effects, `${halt.what} was erased`);
  return { status: "identical_until_stopped", effects, why: stop ?? "the journal ends here" };
}

/** "its output": it was erased, so there is nothing to compare with. */
function outcomeDivergence(
  outcome: ReturnType<typeof outcomeOf>,
  ended: AuditEvent,
  read: BlobReader,
): Divergence | "its output" | undefined {
  const code = typeof ended["code"] === "string" ? ended["code"] : undefined;
  if ("failure" in outcome) {
    if (outcome.failure.code === code) return undefined;
    const { code: failed, message } = outcome.failure;
    return diverged(`it fails with \`${failed}\` now`, endShown(ended, read), { code: failed, message });
  }
  if (code === "output_too_large") return undefined;
  const produced = { output: shownValue(outcome.output) };
  if (code !== undefined) return diverged(`it failed with \`${code}\` then`, endShown(ended, read), produced);
  const ref = textMember(ended, "output_commitment");
  const recorded = readRecorded(blobKeyOf(ended, "output_commitment"), read);
  if (recorded.state === "forged") return forged("the record of its output").divergence;
  if (recorded.state === "unavailable") return "its output";
  if (isRecorded(outcome.canonical, ref, recorded)) return undefined;
  return diverged("it gives another output", endShown(ended, read), produced);
}

function endShown(ended: AuditEvent, read: BlobReader): JsonValue {
  const { code } = ended;
  if (typeof code === "string") return { code };
  const recorded = readRecorded(blobKeyOf(ended, "output_commitment"), read);
  return recorded.state === "present" ? { output: shownValue(recorded.value) } : null;
}

function requirementsDivergence(
  action: Action,
  requested: AuditEvent,
  params: JsonObject,
): Divergence | undefined {
  const recorded = requested["requirements"] as readonly string[];
  const replayed = requirementsNow(action, params);
  const same =
    replayed.length === recorded.length && replayed.every((text, index) => text === recorded[index]);
  if (same) return undefined;
  const message = "the action requires something else than what was decided about";
  return { kind: "requirements", message, recorded: [...recorded], replayed: [...replayed] };
}

function requirementsNow(action: Action, params: JsonObject): readonly string[] {
  try {
    return requirementsOf(action, params).map(({ text }) => text);
  } catch (error) {
    return [failureOf(error).message];
  }
}

/** @throws EvidenceError `malformed_entry`: a log of somebody else's making may say anything of itself. */
function contextOf(requested: AuditEvent, action: Action, actionParams: JsonObject): SecureExecutionContext {
  const seed = requested["execution_seed"];
  try {
    return new SecureExecutionContext({
      workflowId: textMember(requested, "workflow_id"),
      stepId: textMember(requested, "step_id"),
      agentId: textMember(requested, "agent_id"),
      requiredCapability: textMember(requested, "capability"),
      auditReference: textMember(requested, "audit_reference"),
      traceId: textMember(requested, "trace_id"),
      createdAt: textMember(requested, "created_at"),
      executionSeed: typeof seed === "number" || typeof seed === "string" ? seed : 0,
      action,
      actionParams,
    });
  } catch (cause) {
    const { seq } = requested;
    const message = `event ${seq} is no request that was ever authorised: ${failureOf(cause).message}`;
    throw new EvidenceError("malformed_entry", message, { seq, cause });
  }
}

/** Why there is no end of its own to compare with; undefined when there is. */
function stopOf(ended: AuditEvent | undefined): string | undefined {
  if (ended === undefined) return "it has not ended";
  if (ended.event === "step_outcome_unknown") return "its outcome is unknown";
  const { code } = ended;
  return typeof code === "string" && stops.has(code) ? `it was stopped: ${code}` : undefined;
}

function tooLong(deadlineMs: number): Halt {
  const message = `the action does not end within ${deadlineMs} ms`;
  return { kind: "diverged", divergence: { kind: "outcome", message, recorded: null, replayed: null } };
}

function diverged(message: string, recorded: JsonValue, replayed: JsonValue): Divergence {
  return { kind: "outcome", message, recorded, replayed };
}

function unavailable(effects: number, why: string): Reexecution {
  return { status: "unavailable", effects, why };
}

function notReplayed(why: string): Reexecution {
  return { status: "not_replayed", effects: 0, why };
}
