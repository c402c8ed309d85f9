import { committedTo } from "../core/commitment.js";
import { type AuditMechanism, ledgerOf } from "../core/audit.js";
import { livingWriters } from "../core/lease.js";
import type { Ledger } from "../core/ledger.js";
import type { RunView, StoredRun } from "../core/store.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { isJsonObject, type JsonValue } from "../model/json.js";
import type { StepReport, StepStatus } from "./report.js";

/** A run and its steps, as the log tells it. */
export interface RunDetails extends RunView {
  readonly result_digest: string | null;
  readonly steps: readonly (StepReport & {
    readonly agent_id: string | null;
    readonly capability: string | null;
  })[];
}

interface Parts {
  readonly audit: AuditMechanism;
}

/** Runs, newest first; `interrupted` are those whose process is gone: `synapse resume` goes on with them. */
export function listRuns({ audit }: Parts, limit = 100): RunView[] {
  const ledger = ledgerOf(audit);
  const living = livingIn(ledger);
  return ledger.driver.runs(limit).map((run) => viewOf(run, living));
}

function livingIn({ driver, writer }: Ledger): ReadonlySet<string> {
  return livingWriters(driver.leases()).add(writer);
}

function viewOf({ writer, ...run }: StoredRun, living: ReadonlySet<string>): RunView {
  const gone = run.status === "running" && (writer === null || !living.has(writer));
  return gone ? { ...run, status: "interrupted" } : run;
}

/** One run with all its steps, those that did not start included; undefined when there is no such run. */
export function showRun({ audit }: Parts, runId: string): RunDetails | undefined {
  const ledger = ledgerOf(audit);
  const { driver } = ledger;
  const run = driver.run(runId);
  if (run === undefined) return undefined;
  const events = driver.readEvents({ runId });
  const read = (event: AuditEvent | undefined, member: string) =>
    committedTo(event, member, (key) => driver.blob(key));
  const seen = new Map<string, AuditEvent[]>();
  for (const event of events) {
    const id = event["step_id"];
    // Only what the guard says of a step: effects name their own capability, and `x_…` is anybody's word.
    if (typeof id === "string" && event.event.startsWith("step_"))
      seen.set(id, [...(seen.get(id) ?? []), event]);
  }
  // What a run came to before it was resumed is not its end any more.
  const resumed = events.findLastIndex((event) => event.event === "run_started");
  const report = read(events.slice(resumed).find(isEnd), "report_commitment");
  const reported = isJsonObject(report) ? (report["steps"] as unknown as StepReport[]) : undefined;
  const ids = reported?.map((step) => step.step_id) ?? definedSteps(read(events[0], "definition_commitment"));
  return {
    ...viewOf(run, livingIn(ledger)),
    result_digest: isJsonObject(report) ? textMember(report, "result_digest") : null,
    steps: [...new Set([...ids, ...seen.keys()])].map((id) => {
      const own = seen.get(id) ?? [];
      const last = own.at(-1);
      return {
        ...(reported?.find((step) => step.step_id === id) ?? fromEvents(id, own)),
        agent_id: last === undefined ? null : textMember(last, "agent_id"),
        capability: last === undefined ? null : textMember(last, "capability"),
      };
    }),
  };
}

function isEnd({ event }: AuditEvent): boolean {
  return event === "run_completed" || event === "run_cancelled";
}

function definedSteps(definition: JsonValue | undefined): string[] {
  const steps = isJsonObject(definition) ? definition["steps"] : undefined;
  return Array.isArray(steps) ? (steps as { readonly id: string }[]).map((step) => step.id) : [];
}

/** For a run that has not ended, or whose report was erased: what the step's last decisive event says. */
function fromEvents(id: string, events: readonly AuditEvent[]): StepReport {
  const last = events.at(-1);
  const text = (key: string): string | null => (typeof last?.[key] === "string" ? last[key] : null);
  const report = (status: StepStatus, reason: string | null): StepReport => ({
    step_id: id,
    status,
    reason,
    binding_id: text("binding_id"),
    output_digest: null,
  });
  if (last?.event === "step_outcome_unknown") return report("unknown", "outcome_unknown");
  if (last?.event === "step_retry_accepted" && last["decision"] === "accept_as_failed")
    return report("failed", "outcome_unknown");
  if (last?.event === "step_execution_denied") return report("denied", text("reason"));
  if (last?.event !== "step_execution_completed") {
    // Not begun, or begun and not ended: it may be running in a process that lives, so nothing more is known yet.
    return report("pending", null);
  }
  if (last["result"] === "success") return report("completed", null);
  return report(last["code"] === "cancelled" ? "cancelled" : "failed", text("code"));
}
