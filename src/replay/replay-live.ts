import { blobKeyOf } from "../core/commitment.js";
import { type AuditMechanism, ledgerOf } from "../core/audit.js";
import type { AuditEvent } from "../model/event.js";
import { canonicalJson } from "../model/canonical.js";
import type { JsonValue } from "../model/json.js";
import type { RunSummary } from "../workflow/report.js";
import { checkFolder, recordedRun } from "../workflow/resume.js";
import type { ExecutionOptions } from "../workflow/execute-run.js";
import { runWorkflow, type RunParts } from "../workflow/run.js";
import { type BlobReader, type Recorded, readRecorded, shownValue } from "./blob-reader.js";
import { type JournalAnswer, type JournalEntry, readJournal } from "./journal.js";

/** Something that is otherwise now than it was recorded. */
export interface LiveChange {
  readonly step_id: string;
  /** Which use of a handle; null when it is about the step itself. */
  readonly n: number | null;
  /** `fs.read`, …; or `outcome`, `output`. */
  readonly what: string;
  readonly recorded: JsonValue;
  readonly live: JsonValue;
}

export interface LiveReplay {
  readonly summary: RunSummary;
  readonly changes: readonly LiveChange[];
}

/**
 * Does a recorded run over, for real: a new run of the recorded definition, inputs and seed, every step decided by the
 * policy of today and recorded like any other (nothing runs without its own authorisation). Tells which answers of the
 * world changed.
 *
 * @throws NotFoundError; ResumeError `record_erased`, `other_folder`; what `runWorkflow` throws.
 */
export async function replayLive(
  options: ExecutionOptions & { readonly pipeline: RunParts; readonly runId: string },
): Promise<LiveReplay> {
  const { pipeline, runId } = options;
  const { started, definition, inputs, seed } = recordedRun(pipeline, runId);
  checkFolder(runId, started, pipeline.workingFolder);
  const summary = await runWorkflow({ ...options, definition, inputs, seed, replays: runId });
  const then = lastTries(pipeline.audit, runId);
  const now = lastTries(pipeline.audit, summary.run_id);
  const changes = definition.steps.flatMap(({ id }) => changesOf(id, then.get(id), now.get(id)));
  return Object.freeze({ summary, changes: Object.freeze(changes) });
}

/** The last try of a step, as it was recorded. */
interface Try {
  outcome: JsonValue;
  output: Recorded | undefined;
  readonly entries: ReadonlyMap<number, JournalEntry>;
}

function lastTries(audit: AuditMechanism, runId: string): ReadonlyMap<string, Try> {
  const { driver } = ledgerOf(audit);
  const read: BlobReader = (key) => driver.blob(key);
  const requests = new Map<string, { readonly step: string; readonly events: AuditEvent[] }>();
  for (const event of driver.readEvents({ runId })) {
    const { request_id: requestId, step_id: step } = event;
    if (event.event === "step_execution_requested" && typeof step === "string")
      requests.set(event.id, { step, events: [] });
    else if (typeof requestId === "string") requests.get(requestId)?.events.push(event);
  }
  const tries = new Map<string, Try>();
  for (const { step, events } of requests.values()) tries.set(step, tryOf(events, read));
  return tries;
}

function tryOf(events: readonly AuditEvent[], read: BlobReader): Try {
  const end = events.findLast(
    ({ event }) => event.startsWith("step_") && event !== "step_execution_authorized",
  );
  const output = end === undefined ? undefined : blobKeyOf(end, "output_commitment");
  return {
    outcome: outcomeOf(end),
    output: output === undefined ? undefined : readRecorded(output, read),
    entries: readJournal(
      events.filter(({ event }) => event.startsWith("effect_")),
      read,
    ).entries,
  };
}

function outcomeOf(end: AuditEvent | undefined): JsonValue {
  if (end === undefined) return "not ended";
  if (end.event === "step_execution_denied") return { denied: end["reason"] ?? null };
  if (end.event !== "step_execution_completed") return "unknown";
  return end["result"] === "success" ? "completed" : { failed: end["code"] ?? null };
}

function changesOf(step_id: string, then: Try | undefined, now: Try | undefined): LiveChange[] {
  const changes: LiveChange[] = [];
  const note = (n: number | null, what: string, recorded: JsonValue, live: JsonValue): void => {
    if (canonicalJson(recorded) === canonicalJson(live)) return;
    changes.push({ step_id, n, what, recorded: shownValue(recorded), live: shownValue(live) });
  };
  note(null, "outcome", then?.outcome ?? "not asked for", now?.outcome ?? "not asked for");
  const numbers = new Set([...(then?.entries.keys() ?? []), ...(now?.entries.keys() ?? [])]);
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const [before, after] = [then?.entries.get(n), now?.entries.get(n)];
    if (isGone(before?.answer)) continue;
    const what = after?.effect ?? before?.effect ?? "";
    note(n, what, answerShown(before), answerShown(after));
  }
  if (then?.output?.state === "present" && now?.output?.state === "present")
    note(null, "output", then.output.value, now.output.value);
  return changes;
}

/** What was erased is not compared (SEMANTICS R4). */
function isGone(answer: JournalAnswer | undefined): boolean {
  return answer !== undefined && answer.kind !== "denial" && answer.value.state !== "present";
}

function answerShown(entry: JournalEntry | undefined): JsonValue {
  const answer = entry?.answer;
  if (answer === undefined) return null;
  if (answer.kind === "denial") return { denied: answer.code };
  const value = answer.value.state === "present" ? answer.value.value : null;
  return answer.kind === "answer" ? { answer: value } : { failed: answer.code };
}
