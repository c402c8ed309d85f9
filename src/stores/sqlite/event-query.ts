import { DummyDriver, Kysely, sql, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import type { EventFilter } from "../../core/store.js";
import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";
import { eventOf } from "./projection.js";

interface Tables {
  events: { seq: number; doc: string };
  event_keys: { seq: number; id: string; run_id: string | null; agent_id: string | null };
}

/** Only builds SQL; it runs on our own connection, synchronously. */
const builder = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/**
 * Events that a filter lets through: of an agent or a run, those that the tables know by their keys and then those
 * at the end of the log, which the tables have not heard of, by what they say.
 */
export function readEvents(db: Connection, filter: EventFilter): AuditEvent[] {
  // Of one moment: the tables may be brought up to date between two reads.
  return db.transaction(() => read(db, filter)).deferred();
}

function read(db: Connection, filter: EventFilter): AuditEvent[] {
  const parts = [(limit: number | undefined) => fromEnd(filter, 0, limit)];
  if (filter.agentId !== undefined || filter.runId !== undefined) {
    const size = (db.prepare("SELECT size FROM tree_head").pluck().get() ?? 0) as number;
    parts[0] = (limit) => fromEnd(filter, size, limit);
    const known = (limit: number | undefined) => fromKeys(filter, limit);
    if (filter.newest === true) parts.push(known);
    else parts.unshift(known);
  }
  const rows: { doc: string }[] = [];
  for (const part of parts) {
    const limit = filter.limit === undefined ? undefined : filter.limit - rows.length;
    if (limit !== undefined && limit <= 0) break;
    const query = part(limit).compile();
    rows.push(...(db.prepare(query.sql).all(...query.parameters) as { doc: string }[]));
  }
  const events = rows.map(eventOf);
  return filter.newest === true ? events.reverse() : events;
}

const order = ({ newest }: EventFilter) => (newest === true ? "desc" : "asc");

function fromKeys(filter: EventFilter, limit: number | undefined) {
  let query = builder
    .selectFrom("event_keys as k")
    .innerJoin("events as e", "e.seq", "k.seq")
    .select("e.doc")
    .orderBy("k.seq", order(filter));
  if (filter.after !== undefined) query = query.where("k.seq", ">", filter.after);
  if (filter.agentId !== undefined) query = query.where("k.agent_id", "=", filter.agentId);
  if (filter.runId !== undefined) query = query.where("k.run_id", "=", filter.runId);
  if (filter.event !== undefined) query = query.where(member("event"), "=", filter.event);
  return limit === undefined ? query : query.limit(limit);
}

function fromEnd(filter: EventFilter, size: number, limit: number | undefined) {
  let query = builder
    .selectFrom("events as e")
    .select("e.doc")
    .where("e.seq", ">", Math.max(size, filter.after ?? 0))
    .orderBy("e.seq", order(filter));
  if (filter.agentId !== undefined) query = query.where(member("agent_id"), "=", filter.agentId);
  if (filter.runId !== undefined) query = query.where(member("run_id"), "=", filter.runId);
  if (filter.event !== undefined) query = query.where(member("event"), "=", filter.event);
  return limit === undefined ? query : query.limit(limit);
}

/** What a document says; the names are ours. */
function member(name: "agent_id" | "run_id" | "event") {
  return sql<string>`e.doc ->> ${sql.lit(`$.${name}`)}`;
}
