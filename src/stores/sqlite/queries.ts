import {
  DummyDriver,
  type Generated,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Blob, EventFilter, StoredRun } from "../../core/store.js";
import type { AuditEvent } from "../../model/event.js";
import type { JsonValue } from "../../model/json.js";
import type { Connection } from "./database.js";
import { eventOf } from "./projection.js";

interface Tables {
  events: {
    seq: number;
    doc: string;
    run_id: Generated<string | null>;
    agent_id: Generated<string | null>;
    event: Generated<string>;
  };
}

/** Only builds SQL; it runs on our own connection, synchronously. */
const sql = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** What is read outside a transaction, for people and for the parts that list. */
export class Queries {
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  events(filter: EventFilter): AuditEvent[] {
    let query = sql
      .selectFrom("events")
      .select("doc")
      .orderBy("seq", filter.newest === true ? "desc" : "asc");
    if (filter.after !== undefined) query = query.where("seq", ">", filter.after);
    if (filter.event !== undefined) query = query.where("event", "=", filter.event);
    if (filter.agentId !== undefined) query = query.where("agent_id", "=", filter.agentId);
    if (filter.runId !== undefined) query = query.where("run_id", "=", filter.runId);
    if (filter.limit !== undefined) query = query.limit(filter.limit);
    const { sql: text, parameters } = query.compile();
    const events = (this.#db.prepare(text).all(...parameters) as { doc: string }[]).map(eventOf);
    return filter.newest === true ? events.reverse() : events;
  }

  keyRotation(): AuditEvent | undefined {
    // The type as a literal: with a parameter SQLite would not use the index that holds these events alone.
    const last = "SELECT doc FROM events WHERE event = 'key_rotated' ORDER BY seq DESC LIMIT 1";
    const row = this.#db.prepare(last).get() as { doc: string } | undefined;
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

  blob(ref: string): Blob | undefined {
    return this.#db.prepare("SELECT ref, salt, bytes FROM blobs WHERE ref = ?").get(ref) as Blob | undefined;
  }

  memoryValue(key: string): JsonValue | undefined {
    const row = this.#db.prepare("SELECT value FROM memory WHERE key = ?").get(key) as
      { value: string } | undefined;
    return row === undefined ? undefined : (JSON.parse(row.value) as JsonValue);
  }
}

const runColumns = "run_id, workflow, status, started_at, ended_at, writer";
