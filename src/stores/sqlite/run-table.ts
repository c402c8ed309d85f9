import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";

/** The lists of runs and of applied policy files: nothing is decided by them. */
export class RunTable {
  readonly #start;
  readonly #end;
  readonly #policy;

  constructor(db: Connection) {
    this.#start = db.prepare(
      "INSERT INTO runs (run_id, workflow, status, started_seq, started_at) VALUES (?, ?, 'running', ?, ?)",
    );
    this.#policy = db.prepare("INSERT OR REPLACE INTO policies VALUES (?, ?)");
    this.#end = db.prepare("UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ?");
  }

  apply(event: AuditEvent): void {
    switch (event.event) {
      case "run_started":
        this.#start.run(event["run_id"], event["workflow_id"], event.seq, event.timestamp);
        return;
      case "run_completed":
        this.#end.run(event["status"], event.timestamp, event["run_id"]);
        return;
      case "run_cancelled":
        this.#end.run("cancelled", event.timestamp, event["run_id"]);
        return;
      case "policy_applied":
        this.#policy.run(event["policy"], event["file"] ?? "");
    }
  }
}
