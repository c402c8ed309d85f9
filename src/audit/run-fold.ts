import type { RunRow } from "../core/log-image.js";
import { type AuditEvent, textMember } from "../model/event.js";

/** What the log says of runs, of applied policies, and of the events that suspended agents. */
export class RunFold {
  readonly runs = new Map<string, RunRow>();
  /** By the policy's name. */
  readonly policies = new Map<string, { readonly file: string; readonly seq: number }>();
  /** Number of the event that last suspended an agent or ended its suspension. */
  readonly suspensions = new Map<string, number>();

  fold(event: AuditEvent): void {
    switch (event.event) {
      case "run_started":
        return this.#start(event, textMember(event, "run_id"));
      case "run_completed":
        return this.#end(event, textMember(event, "status"));
      case "run_cancelled":
        return this.#end(event, "cancelled");
      case "policy_applied":
        this.policies.set(textMember(event, "policy"), { file: textMember(event, "file"), seq: event.seq });
        return;
      case "agent_suspended":
      case "agent_unsuspended":
        this.suspensions.set(textMember(event, "agent_id"), event.seq);
    }
  }

  #start(event: AuditEvent, runId: string): void {
    const writer = typeof event["writer"] === "string" ? event["writer"] : null;
    const resumed = event["resumes"] === true ? this.runs.get(runId) : undefined;
    if (resumed !== undefined) {
      this.runs.set(runId, { ...resumed, status: "running", ended_at: null, writer });
      return;
    }
    this.runs.set(runId, {
      run_id: runId,
      workflow: textMember(event, "workflow_id"),
      status: "running",
      started_seq: event.seq,
      started_at: event.timestamp,
      ended_at: null,
      writer,
    });
  }

  #end(event: AuditEvent, status: string): void {
    const run = this.runs.get(textMember(event, "run_id"));
    if (run !== undefined) this.runs.set(run.run_id, { ...run, status, ended_at: event.timestamp });
  }
}
