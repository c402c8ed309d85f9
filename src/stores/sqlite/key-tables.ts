import type { Connection } from "./database.js";

/** What events are found by: their ids, runs and agents, and the few that replaced the signing key. */
export class KeyTables {
  readonly #add;
  readonly #rotation;

  constructor(db: Connection) {
    this.#add = db.prepare("INSERT INTO event_keys (seq, id, run_id, agent_id) VALUES (?, ?, ?, ?)");
    this.#rotation = db.prepare("INSERT INTO key_rotations (seq) VALUES (?)");
  }

  /** @param runId @param agentId members of the event, whatever they are: only texts are searched for. */
  add(seq: number, id: string, runId: unknown, agentId: unknown): void {
    this.#add.run(seq, id, textOrNull(runId), textOrNull(agentId));
  }

  addRotation(seq: number): void {
    this.#rotation.run(seq);
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
