import type { StoredCheckpoint } from "../../core/store.js";
import type { Connection } from "./database.js";

/** The signed checkpoints. One for each size, for ever: two of one size that differ would be a fork. */
export class CheckpointTable {
  readonly #put;
  readonly #at;
  readonly #newest;
  readonly #list;
  readonly #logId;

  constructor(db: Connection) {
    this.#put = db.prepare("INSERT OR IGNORE INTO checkpoints (size, note) VALUES (?, ?)");
    this.#at = db.prepare("SELECT size, note FROM checkpoints WHERE size = ?");
    this.#newest = db.prepare("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1");
    this.#list = db.prepare("SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?");
    this.#logId = db.prepare("SELECT value FROM meta WHERE key = 'log_id'").pluck();
  }

  put({ size, note }: StoredCheckpoint): void {
    this.#put.run(size, note);
  }

  at(size?: number): StoredCheckpoint | undefined {
    return (size === undefined ? this.#newest.get() : this.#at.get(size)) as StoredCheckpoint | undefined;
  }

  list(after: number, limit: number): StoredCheckpoint[] {
    return this.#list.all(after, limit) as StoredCheckpoint[];
  }

  logId(): string {
    return this.#logId.get() as string;
  }
}
