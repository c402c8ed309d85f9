import type { ActionRegistry } from "../core/action.js";
import { digestOf } from "../core/commitment.js";
import { ResumeError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import type { StepDefinition, WorkflowDefinition } from "./definition.js";
import type { StepBefore } from "./execute-run.js";
import type { StepEnd } from "./step-end.js";

/** What a person decided about steps whose outcome nobody knows; step ids. */
export interface Decisions {
  readonly retry: ReadonlySet<string>;
  readonly acceptAsFailed: ReadonlySet<string>;
}

/** What a resumed run begins with. */
export interface ResumePlan {
  readonly before: ReadonlyMap<string, StepBefore>;
  /** The last event of each step that is decided now: to be recorded. */
  readonly decided: readonly { readonly decision: "retry" | "accept_as_failed"; readonly last: AuditEvent }[];
}

interface Source {
  readonly runId: string;
  readonly definition: WorkflowDefinition;
  readonly actions: ActionRegistry;
  /** Of this run, in log order. */
  readonly events: readonly AuditEvent[];
  /** The value behind a commitment; undefined when it was erased. */
  readonly read: (event: AuditEvent, member: string) => JsonValue | undefined;
}

/**
 * What is left to do of a run. What completed keeps its recorded output, what was denied or failed keeps its
 * end, and what may have been done is done again only where twice does no more than once, or a person says so.
 *
 * @throws ResumeError `outcome_unknown` while a person has to decide; `not_undecided` for a decision about a step
 *   that needs none; `record_erased` when a recorded output is gone.
 */
export function planResume(source: Source, decisions: Decisions): ResumePlan {
  const last = new Map<string, AuditEvent>();
  for (const event of source.events) {
    const id = event["step_id"];
    // Effects name their step too, and `x_…` is anybody's word.
    if (typeof id === "string" && event.event.startsWith("step_")) last.set(id, event);
  }
  const before = new Map<string, StepBefore>();
  const decided: { decision: "retry" | "accept_as_failed"; last: AuditEvent }[] = [];
  const waiting: string[] = [];
  for (const step of source.definition.steps) {
    const event = last.get(step.id);
    if (event === undefined) continue;
    const known = settledBefore(source, step, event);
    if (known !== undefined) {
      before.set(step.id, known);
      continue;
    }
    const again: StepBefore = { nextAttempt: Number(event["attempt"]) + 1 };
    if (decisions.acceptAsFailed.has(step.id)) {
      decided.push({ decision: "accept_as_failed", last: event });
      before.set(step.id, { end: acceptedAsFailed(event) });
    } else if (decisions.retry.has(step.id)) {
      decided.push({ decision: "retry", last: event });
      before.set(step.id, again);
    } else if (source.actions.get(step.action)?.idempotent === true) before.set(step.id, again);
    else waiting.push(step.id);
  }
  assertUndecided(source.runId, decisions, decided);
  if (waiting.length > 0) throw undecided(source.runId, waiting);
  return { before, decided };
}

/** Undefined: it may have been done, wholly or in part. */
function settledBefore(source: Source, step: StepDefinition, last: AuditEvent): StepBefore | undefined {
  const attempt = Number(last["attempt"]);
  switch (last.event) {
    case "step_execution_denied":
      return { end: endOfEvent(last, "denied", textMember(last, "reason")) };
    case "step_retry_accepted":
      return last["decision"] === "retry" ? { nextAttempt: attempt + 1 } : { end: acceptedAsFailed(last) };
    case "step_execution_completed":
      if (last["result"] === "success") return { end: completedBefore(source, last) };
      // The operator's Ctrl-C stopped it somewhere in the middle.
      if (last["code"] === "cancelled") return undefined;
      return attempt <= step.retry.attempts && last["code"] !== "revoked_while_running"
        ? { nextAttempt: attempt + 1 }
        : { end: endOfEvent(last, "failed", textMember(last, "code")) };
    default:
      return undefined;
  }
}

function completedBefore(source: Source, event: AuditEvent): StepEnd {
  const output = source.read(event, "output_commitment");
  if (output === undefined) {
    throw new ResumeError(
      "record_erased",
      source.runId,
      `the output of step \`${textMember(event, "step_id")}\` was erased, and later steps may need it`,
      "start a new run",
    );
  }
  return { ...endOfEvent(event, "completed", null), output, outputDigest: digestOf(output) };
}

function acceptedAsFailed(event: AuditEvent): StepEnd {
  return endOfEvent(event, "failed", "outcome_unknown");
}

function endOfEvent(event: AuditEvent, status: StepEnd["status"], reason: string | null): StepEnd {
  const text = (key: string): string | null => (typeof event[key] === "string" ? event[key] : null);
  return {
    status,
    reason,
    bindingId: text("binding_id"),
    outputDigest: null,
    output: undefined,
    capability: text("capability"),
    explanation: text("explanation"),
    durationMs: typeof event["duration_ms"] === "number" ? event["duration_ms"] : 0,
    attempt: Number(event["attempt"]),
  };
}

function assertUndecided(
  runId: string,
  { retry, acceptAsFailed }: Decisions,
  decided: ResumePlan["decided"],
): void {
  const needed = new Set(decided.map(({ last }) => last["step_id"]));
  const odd = [...retry, ...acceptAsFailed].find(
    (id) => !needed.has(id) || (retry.has(id) && acceptAsFailed.has(id)),
  );
  if (odd === undefined) return;
  throw new ResumeError(
    "not_undecided",
    runId,
    `there is no such thing to decide about step \`${odd}\``,
    "decide once, and only about steps whose outcome is unknown: synapse show lists them",
  );
}

function undecided(runId: string, steps: readonly string[]): ResumeError {
  const [first = ""] = steps;
  const named = steps.map((id) => `\`${id}\``).join(", ");
  return new ResumeError(
    "outcome_unknown",
    runId,
    `nobody knows whether ${named} did what it was to do, and doing it twice may do more than doing it once`,
    `look, then say for each --retry ${first} (do it again) or --accept-as-failed ${first} (go on without it)`,
  );
}
