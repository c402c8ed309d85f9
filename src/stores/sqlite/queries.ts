import type { Blob, BlobKey, EventFilter, StoredRun } from "../../core/store.js";
import type { AuditEvent } from "../../model/event.js";
import type { JsonValue } from "../../model/json.js";
import type { Connection } from "./database.js";
import { readEvents } from "./event-query.js";
import { eventOf } from "./projection.js";
import { blobOf } from "./schema.js";

/** What is read outside a transaction, for people and for the parts that list. */
export class Queries {
  readonly #db: Connection;
  readonly #rotation;

  constructor(db: Connection) {
    this.#db = db;
    // Asked before each checkpoint.
    this.#rotation = db.prepare("SELECT doc FROM events WHERE seq = (SELECT max(seq) FROM key_rotations)");
  }

  events(filter: EventFilter): AuditEvent[] {
    return readEvents(this.#db, filter);
  }

  keyRotation(): AuditEvent | undefined {
    const row = this.#rotation.get() as { doc: string } | undefined;
    return row === undefined ? undefined : eventOf(row);
  }

  runs(limit: number): StoredRun[] {
    const rows = this.#db
      .prepare(`SELECT ${runColumns} FROM runs ORDER BY started_seq DESC LIMIT ?`)
      .all(limit);
    return rows as StoredRun[];
  }

  run(runId: string): StoredRun | undefined {
    return this.#db.prepare(`SELECT ${runColumns} FROM runs WHERE run_id = ?`).get(runId) as
      StoredRun | undefined;
  }

  policyFiles(): string[] {
    const rows = this.#db.prepare("SELECT file FROM policies WHERE file <> ''").all() as { file: string }[];
    return rows.map((row) => row.file);
  }

  blob({ seq, ref }: BlobKey): Blob | undefined {
    return this.#db.prepare(`SELECT ref, salt, bytes FROM blobs WHERE ${blobOf}`).get({ seq, ref }) as
      Blob | undefined;
  }

  keepsBlob(ref: string): boolean {
    return this.#db.prepare("SELECT 1 FROM blobs WHERE ref = ?").get(ref) !== undefined;
  }

  memoryValue(key: string): JsonValue | undefined {
    const row = this.#db.prepare("SELECT value FROM memory WHERE key = ?").get(key) as
      { value: string } | undefined;
    return row === undefined ? undefined : (JSON.parse(row.value) as JsonValue);
  }
}

const runColumns = "run_id, workflow, status, started_at, ended_at, writer";
