import type { BlobKey } from "../../core/store.js";
import { type AuditMechanism, ledgerOf } from "../../core/audit.js";
import { commitTo, digestOf } from "../../core/commitment.js";
import type { JsonObject } from "../../model/json.js";

/** A client's session as a run: its beginning and its end in the log, and its calls as steps between them. */
export class SessionRun {
  readonly runId: string;
  readonly workflowId: string;
  /** Commitments to answers to lists that were recorded in this run, by the digest of the answer. */
  readonly listed = new Map<string, BlobKey>();
  readonly #audit: AuditMechanism;
  readonly #lane: string;
  readonly #counts: Record<string, number> = {};

  private constructor(audit: AuditMechanism, lane: string, workflowId: string, runId: string) {
    this.#audit = audit;
    this.#lane = lane;
    this.workflowId = workflowId;
    this.runId = runId;
  }

  /**
   * Durable when it resolves.
   *
   * @param client what the client said of itself when it began.
   */
  static async start(
    audit: AuditMechanism,
    facts: {
      readonly front: string;
      readonly agentId: string;
      readonly servers: readonly string[];
      readonly client: JsonObject;
      readonly workingFolder: string;
    },
  ): Promise<SessionRun> {
    const workflowId = `mcp:${facts.front}`;
    // No workflow says what such a run does: the client does, call by call.
    const definition = commitTo({ mcp_session: { agent: facts.agentId, servers: facts.servers }, steps: [] });
    const inputs = commitTo({ client: facts.client });
    const runId = await ledgerOf(audit).submit(facts.agentId, (tx) => {
      tx.keep(definition);
      tx.keep(inputs);
      const id = tx.newId("run");
      tx.emit({
        event: "run_started",
        run_id: id,
        workflow_id: workflowId,
        definition_commitment: definition.ref,
        inputs_commitment: inputs.ref,
        seed: 0,
        steps: 0,
        working_folder: facts.workingFolder,
        writer: tx.writer,
      });
      return id;
    });
    return new SessionRun(audit, facts.agentId, workflowId, runId);
  }

  count(status: string): void {
    this.#counts[status] = (this.#counts[status] ?? 0) + 1;
  }

  /** Durable when it resolves. The steps themselves stand in the log; a session may have any number of them. */
  async end(): Promise<void> {
    const counts = { ...this.#counts };
    const report = commitTo({
      run_id: this.runId,
      status: "completed",
      steps: [],
      result_digest: digestOf(counts),
    });
    await ledgerOf(this.#audit).submit(
      this.#lane,
      (tx) => {
        tx.keep(report);
        tx.emit({
          event: "run_completed",
          run_id: this.runId,
          workflow_id: this.workflowId,
          status: "completed",
          counts,
          report_commitment: report.ref,
        });
      },
      "begun",
    );
  }
}
