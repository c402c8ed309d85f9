import { committedTo } from "../core/commitment.js";
import { ledgerOf } from "../core/audit.js";
import { checkActor } from "../core/authority.js";
import { livingWriters } from "../core/lease.js";
import type { Ledger } from "../core/ledger.js";
import type { StoredRun } from "../core/store.js";
import { NotFoundError, ResumeError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import { checkActions, workflowFromJson, type WorkflowDefinition } from "./definition.js";
import { checkConcurrency, executeRun, type ExecutionOptions } from "./execute-run.js";
import type { RunSummary } from "./report.js";
import { type Decisions, planResume, type ResumePlan } from "./resume-plan.js";
import { checkRetries } from "./retry.js";
import { RunLog } from "./run-log.js";
import type { RunParts } from "./run.js";

export interface ResumeOptions extends ExecutionOptions {
  readonly pipeline: RunParts;
  readonly runId: string;
  /** Who resumes it, and decides. */
  readonly by: string;
  /** Steps of unknown outcome to run again; recorded. */
  readonly retry?: readonly string[] | undefined;
  /** Steps of unknown outcome to go on without, as if they had failed; recorded. */
  readonly acceptAsFailed?: readonly string[] | undefined;
}

/** What was recorded of a run when it started (SEMANTICS R6). */
export interface RecordedRun {
  readonly started: AuditEvent;
  readonly definition: WorkflowDefinition;
  readonly inputs: JsonObject;
  readonly seed: number | string;
}

/**
 * Goes on with a run whose process is gone, under the same id: with the definition, inputs and seed that were
 * recorded, without running again what completed. Its `result_digest` is that of a run that was not interrupted.
 *
 * @throws NotFoundError; ResumeError when it runs, has ended, or waits for a person's decision: then nothing is
 *   recorded and nothing runs; DocumentError when an action is not there any more; AuditUnavailableError.
 */
export async function resumeWorkflow(options: ResumeOptions): Promise<RunSummary> {
  const { pipeline, runId, by } = options;
  checkConcurrency(options);
  checkActor("by", by);
  const ledger = ledgerOf(pipeline.audit);
  const { started, definition, inputs, seed } = recordedRun(pipeline, runId);
  checkActions(definition, new Set(pipeline.actions.names()));
  checkRetries(definition, pipeline.actions);
  checkFolder(runId, started, pipeline.workingFolder);
  const decisions: Decisions = {
    retry: new Set(options.retry),
    acceptAsFailed: new Set(options.acceptAsFailed),
  };
  const { log, prepared } = await RunLog.resume(pipeline.audit, started, (tx): ResumePlan => {
    // Inside the transaction: of two that resume at once, one finds that the other one runs it.
    assertInterrupted(ledger, ledger.driver.run(runId));
    const events = ledger.driver.readEvents({ runId });
    const read = (event: AuditEvent, member: string) => valueOf(ledger, event, member);
    const plan = planResume({ runId, definition, actions: pipeline.actions, events, read }, decisions);
    for (const { decision, last } of plan.decided) {
      const { workflow_id, step_id, agent_id, capability, attempt, binding_id, trace_id, audit_reference } =
        last;
      const step = { workflow_id, step_id, agent_id, capability, run_id: runId, attempt, binding_id };
      const whose = { ...step, trace_id, audit_reference } as JsonObject;
      tx.emit({ ...whose, event: "step_retry_accepted", decision, by });
    }
    return plan;
  });
  return executeRun({ pipeline, log, definition, inputs, seed, before: prepared.before, options });
}

/** @throws NotFoundError; ResumeError `record_erased`, `not_a_workflow` */
export function recordedRun({ audit }: Pick<RunParts, "audit">, runId: string): RecordedRun {
  const ledger = ledgerOf(audit);
  const [started] = ledger.driver.readEvents({ runId, event: "run_started", limit: 1 });
  if (started === undefined) throw new NotFoundError("run", runId, "synapse runs lists them");
  const definition = valueOf(ledger, started, "definition_commitment");
  const inputs = valueOf(ledger, started, "inputs_commitment");
  const seed = started["seed"];
  if (!isJsonObject(definition) || !isJsonObject(inputs)) {
    throw new ResumeError("record_erased", runId, "the recorded definition or inputs of the run were erased");
  }
  // Its steps were a client's messages, and nobody but that client could go on with them.
  if ("mcp_session" in definition) {
    const hint = "start `synapse gateway` again; `synapse replay` without --live shows what it did";
    throw new ResumeError(
      "not_a_workflow",
      runId,
      "the run is a session of an MCP client, not a workflow",
      hint,
    );
  }
  return {
    started,
    definition: workflowFromJson(definition),
    inputs,
    seed: typeof seed === "number" || typeof seed === "string" ? seed : 0,
  };
}

function assertInterrupted(ledger: Ledger, run: StoredRun | undefined): void {
  if (run === undefined) return;
  const { run_id, status, writer } = run;
  // `unknown`: it ended because nobody knew how a step ended; every other end stands.
  if (status !== "running" && status !== "unknown") {
    const message = `run \`${run_id}\` has ended: ${status}`;
    throw new ResumeError("run_has_ended", run_id, message, "start a new run");
  }
  const living = livingWriters(ledger.driver.leases()).add(ledger.writer);
  if (writer === null || !living.has(writer)) return;
  const message = `the process that runs \`${run_id}\` still lives`;
  throw new ResumeError("run_is_running", run_id, message, "wait for it, or stop it");
}

/** @throws ResumeError `other_folder`: its relative paths would mean other files. */
export function checkFolder(runId: string, started: AuditEvent, workingFolder: string): void {
  const recorded = started["working_folder"];
  if (typeof recorded !== "string" || recorded === workingFolder) return;
  const message = `run \`${runId}\` was started in the folder \`${recorded}\``;
  throw new ResumeError("other_folder", runId, message, "go there first: its relative paths count from it");
}

function valueOf({ driver }: Ledger, event: AuditEvent, member: string): JsonValue | undefined {
  return committedTo(event, member, (key) => driver.blob(key));
}
