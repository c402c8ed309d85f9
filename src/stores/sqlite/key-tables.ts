import { type AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";

/** What events are found by: their ids, runs and agents, and the few that replaced the signing key. */
export class KeyTables {
  readonly #add;
  readonly #rotation;

  constructor(db: Connection) {
    this.#add = db.prepare("INSERT INTO event_keys (seq, id, run_id, agent_id) VALUES (?, ?, ?, ?)");
    this.#rotation = db.prepare("INSERT INTO key_rotations (seq) VALUES (?)");
  }

  add(event: AuditEvent): void {
    const { id, seq } = event;
    this.#add.run(seq, id, textOrNull(event["run_id"]), textOrNull(event["agent_id"]));
    if (event.event === "key_rotated") this.#rotation.run(seq);
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
