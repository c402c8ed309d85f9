import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";

/** The lists of runs and of applied policy files: nothing is decided by them. */
export class RunTable {
  readonly #start;
  readonly #resume;
  readonly #end;
  readonly #policy;

  constructor(db: Connection) {
    this.#start = db.prepare(
      "INSERT INTO runs (run_id, workflow, status, started_seq, started_at, writer) VALUES (?, ?, 'running', ?, ?, ?)",
    );
    this.#resume = db.prepare(
      "UPDATE runs SET status = 'running', ended_at = NULL, writer = ? WHERE run_id = ?",
    );
    this.#policy = db.prepare("INSERT OR REPLACE INTO policies VALUES (?, ?)");
    this.#end = db.prepare("UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ?");
  }

  apply(event: AuditEvent): void {
    switch (event.event) {
      case "run_started":
        if (event["resumes"] === true) this.#resume.run(event["writer"] ?? null, event["run_id"]);
        else
          this.#start.run(
            event["run_id"],
            event["workflow_id"],
            event.seq,
            event.timestamp,
            event["writer"] ?? null,
          );
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
