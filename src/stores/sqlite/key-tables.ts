import type { BlockKeys } from "../../core/event-keys.js";
import type { Connection } from "./database.js";

/** What events are found by: their ids, runs and agents, and the few that replaced the signing key. */
export class KeyTables {
  readonly #addKey;
  readonly #addIds;
  readonly #rotation;

  constructor(db: Connection) {
    // Of a block that the tables know a part of, the rest follows.
    this.#addKey = db.prepare(
      `INSERT INTO event_keys (block, kind, key, places) VALUES (?, ?, ?, ?)
      ON CONFLICT (block, kind, key) DO UPDATE SET places = places || ',' || excluded.places`,
    );
    this.#addIds = db.prepare(
      `INSERT INTO event_ids (block, first, last) VALUES (?, ?, ?)
      ON CONFLICT (block) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`,
    );
    this.#rotation = db.prepare("INSERT INTO key_rotations (seq) VALUES (?)");
  }

  /** @param keys of events that follow those which the tables know. */
  add(keys: BlockKeys): void {
    this.#addIds.run(keys.block, ...keys.ids);
    for (const row of keys.rows()) this.#addKey.run(keys.block, ...row);
  }

  addRotation(seq: number): void {
    this.#rotation.run(seq);
  }
}
