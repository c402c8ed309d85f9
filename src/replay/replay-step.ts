import type { Action } from "../core/action.js";
import { SecureExecutionContext } from "../core/context.js";
import { requirementsOf } from "../core/demand.js";
import { environmentOf, invokeAction, outcomeOf } from "../core/invoke-action.js";
import type { HandleFactory } from "../core/ports.js";
import { RunningStep } from "../core/running-steps.js";
import { failureOf, settle } from "../core/settle.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import { type BlobReader, isRecorded, readRecorded, shownValue } from "./blob-reader.js";
import type { Divergence } from "./divergence.js";
import { type Journal, readJournal } from "./journal.js";
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
  /** Of one step; default 300,000. */
  readonly deadlineMs?: number | undefined;
}

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
  if (ended?.["code"] === "not_started") return notReplayed("the action was not started");
  const params = readRecorded(requested["params_commitment"], parts.read);
  if (params.state === "unavailable") return unavailable(0, "its parameters were erased");
  if (params.state === "forged" || !isJsonObject(params.value)) {
    return { status: "diverged", effects: 0, divergence: forged("the record of its parameters").divergence };
  }
  const required = requirementsDivergence(action, requested, params.value);
  if (required !== undefined) return { status: "diverged", effects: 0, divergence: required };
  const context = contextOf(requested, action, params.value);
  return run(context, readJournal(effects, parts.read), ended, parts);
}

async function run(
  context: SecureExecutionContext,
  journal: Journal,
  ended: AuditEvent | undefined,
  parts: ReplayParts,
): Promise<Reexecution> {
  const stop = stopOf(ended);
  const step = new RunningStep("replay", context.agentId, []);
  const gate = new ReplayGate(context.agentId, step.signal, journal, {
    whole: stop === undefined,
    onHalt: () => step.end({ code: "cancelled", message: "the replay of this step goes no further" }),
  });
  const deadlineMs = parts.deadlineMs ?? 300_000;
  const timer = setTimeout(() => gate.end(tooLong(deadlineMs)), deadlineMs);
  try {
    const { action, actionParams } = context;
    const env = environmentOf(context, step.signal);
    const settled = await settle(invokeAction(action, actionParams, parts.handles, gate, env), step);
    const halt = gate.halt ?? leftOut(gate, stop);
    if (halt !== undefined) return halted(halt, gate.count, stop);
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
    // Whatever the action kept of its handles is dead.
    gate.end({ kind: "journal_ended" });
  }
}

/** An action that ended and left out what it did then. One that was stopped may have begun something nobody saw end. */
function leftOut(gate: ReplayGate, stop: string | undefined): Halt | undefined {
  const entry = gate.missing();
  if (entry === undefined) return undefined;
  if (stop !== undefined && entry.answer === undefined) return undefined;
  const message = `use ${entry.n} of a handle (${entry.effect}) is not made any more`;
  const recorded = { effect: entry.effect, capabilities: [...entry.capabilities] };
  return { kind: "diverged", divergence: { kind: "effect", message, recorded, replayed: null } };
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
  const recorded = readRecorded(ref, read);
  if (recorded.state === "forged") return forged("the record of its output").divergence;
  if (recorded.state === "unavailable") return "its output";
  if (isRecorded(outcome.output, ref, recorded)) return undefined;
  return diverged("it gives another output", endShown(ended, read), produced);
}

function endShown(ended: AuditEvent, read: BlobReader): JsonValue {
  const { code } = ended;
  if (typeof code === "string") return { code };
  const recorded = readRecorded(ended["output_commitment"], read);
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

function contextOf(requested: AuditEvent, action: Action, actionParams: JsonObject): SecureExecutionContext {
  const seed = requested["execution_seed"];
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
