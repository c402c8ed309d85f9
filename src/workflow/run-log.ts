import { type AuditMechanism, ledgerOf } from "../core/audit.js";
import { commitTo } from "../core/commitment.js";
import type { Ledger, Tx } from "../core/ledger.js";
import { type AuditEvent, textMember } from "../model/event.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import type { WorkflowDefinition } from "./definition.js";
import type { RunSummary } from "./report.js";

/** Members that the log adds to every event. */
const envelope: ReadonlySet<string> = new Set(["id", "seq", "timestamp", "protocol_version"]);

/** A run's own events: its start with what it will do, and its end with what came of it. */
export class RunLog {
  readonly runId: string;
  readonly #ledger: Ledger;
  readonly #workflowId: string;

  private constructor(ledger: Ledger, runId: string, workflowId: string) {
    this.#ledger = ledger;
    this.runId = runId;
    this.#workflowId = workflowId;
  }

  /** Durable when it resolves. Definition and inputs stand in the log as commitments (SEMANTICS R3). */
  static async start(
    audit: AuditMechanism,
    run: {
      readonly definition: WorkflowDefinition;
      readonly inputs: JsonObject;
      readonly seed: number | string;
      readonly workingFolder: string;
      /** The run that this one does over. */
      readonly replays?: string | undefined;
    },
  ): Promise<RunLog> {
    const ledger = ledgerOf(audit);
    const workflowId = run.definition.name;
    const definition = commitTo(run.definition.source);
    const inputs = commitTo(run.inputs);
    const runId = await ledger.submit(`run:${workflowId}`, (tx) => {
      tx.keep(definition);
      tx.keep(inputs);
      const id = tx.newId("run");
      tx.emit({
        event: "run_started",
        run_id: id,
        workflow_id: workflowId,
        definition_commitment: definition.ref,
        inputs_commitment: inputs.ref,
        seed: run.seed,
        steps: run.definition.steps.length,
        working_folder: run.workingFolder,
        writer: tx.writer,
        ...(run.replays === undefined ? {} : { replays: run.replays }),
      });
      return id;
    });
    return new RunLog(ledger, runId, workflowId);
  }

  /**
   * Starts an interrupted run again, in one transaction with what `prepare` checks and records; durable when it
   * resolves.
   */
  static async resume<T>(
    audit: AuditMechanism,
    started: AuditEvent,
    prepare: (tx: Tx) => T,
  ): Promise<{ readonly log: RunLog; readonly prepared: T }> {
    const ledger = ledgerOf(audit);
    const workflowId = textMember(started, "workflow_id");
    const runId = textMember(started, "run_id");
    const prepared = await ledger.submit(`run:${workflowId}`, (tx) => {
      const made = prepare(tx);
      const members = Object.fromEntries(Object.entries(started).filter(([name]) => !envelope.has(name)));
      // Definition, inputs and seed are those of the beginning (SEMANTICS R6); only the writer is another.
      const kept = { definition_seq: started.seq, inputs_seq: started.seq };
      tx.emit({ ...members, ...kept, event: "run_started", resumes: true, writer: tx.writer });
      return made;
    });
    return { log: new RunLog(ledger, runId, workflowId), prepared };
  }

  /** Durable when it resolves. */
  async end(summary: RunSummary): Promise<void> {
    const report = commitTo(summary as unknown as JsonValue);
    const counts: { [status: string]: number } = {};
    for (const { status } of summary.steps) counts[status] = (counts[status] ?? 0) + 1;
    await this.#ledger.submit(
      `run:${this.#workflowId}`,
      (tx) => {
        tx.keep(report);
        tx.emit({
          event: summary.status === "cancelled" ? "run_cancelled" : "run_completed",
          run_id: this.runId,
          workflow_id: this.#workflowId,
          status: summary.status,
          counts,
          report_commitment: report.ref,
        });
      },
      "begun",
    );
  }
}
