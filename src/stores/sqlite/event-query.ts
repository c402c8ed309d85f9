import {
  type Compilable,
  DummyDriver,
  Kysely,
  sql,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { eventsOfBlock, type KeyKind } from "../../core/event-keys.js";
import type { EventFilter } from "../../core/store.js";
import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";
import { eventOf } from "./projection.js";

interface Tables {
  events: { seq: number; doc: string };
  event_keys: { block: number; kind: KeyKind; key: string; places: string };
}

/** Up to where the tables know the log: what follows is looked through. */
const indexedTo = "coalesce((SELECT size FROM tree_head), 0)";
const inBlock = `e.seq BETWEEN block * ${eventsOfBlock} AND block * ${eventsOfBlock} + ${eventsOfBlock - 1}`;

/** The number of the event with the id `:id`: ids are given out in order of time, so few blocks may have it. */
export const numberOfId = `
  SELECT e.seq FROM event_ids, events e
    WHERE :id BETWEEN first AND last AND ${inBlock} AND e.doc ->> '$.id' = :id
  UNION ALL SELECT seq FROM events WHERE seq > ${indexedTo} AND doc ->> '$.id' = :id`;

/** Numbers of the first and the last event of the run `:runId`. */
export const rangeOfRun = `
  SELECT min(seq) AS first, max(seq) AS last FROM (
    SELECT block * ${eventsOfBlock} + place.value AS seq
      FROM event_keys k, json_each('[' || k.places || ']') place WHERE k.kind = 'run' AND k.key = :runId
    UNION ALL SELECT seq FROM events
      WHERE seq > ${indexedTo} AND doc ->> '$.run_id' = :runId AND json_type(doc, '$.run_id') = 'text')`;

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
  const parts: ((limit: number | undefined) => Compilable<{ doc: string }>)[] = [
    (limit) => fromEnd(filter, 0, limit),
  ];
  if (filter.agentId !== undefined || filter.runId !== undefined) {
    const size = (db.prepare("SELECT size FROM tree_head").pluck().get() ?? 0) as number;
    parts[0] = (limit) => fromEnd(filter, size, limit);
    const known = (limit?: number) => fromKeys(filter, limit);
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

/** @param filter with an agent or a run: of both, a run has fewer. */
function fromKeys(filter: EventFilter, limit: number | undefined) {
  const direction = order(filter);
  const { agentId, runId } = filter;
  const place = sql<number>`place.value`;
  const number = sql<number>`k.block * ${sql.lit(eventsOfBlock)} + ${place}`;
  // Numbers first: the documents of a whole block would be put in order for the sake of one.
  let numbers = builder
    .selectFrom(["event_keys as k", placesOf.as("place"), "events as e"])
    .select("e.seq")
    .where("k.kind", "=", runId === undefined ? "agent" : "run")
    .where("k.key", "=", runId ?? agentId ?? "")
    .whereRef("e.seq", "=", number)
    .orderBy("k.block", direction)
    .orderBy(place, direction);
  if (filter.after !== undefined)
    numbers = numbers
      .where("k.block", ">=", Math.floor(filter.after / eventsOfBlock))
      .where("e.seq", ">", filter.after);
  if (runId !== undefined && agentId !== undefined) numbers = numbers.where(says("agent_id", agentId));
  if (filter.event !== undefined) numbers = numbers.where(says("event", filter.event));
  if (limit !== undefined) numbers = numbers.limit(limit);
  return builder
    .selectFrom([numbers.as("found"), "events as kept"])
    .select("kept.doc")
    .whereRef("kept.seq", "=", "found.seq")
    .orderBy("found.seq", direction);
}

const placesOf = sql<{ value: number }>`json_each('[' || k.places || ']')`;

function fromEnd(filter: EventFilter, size: number, limit: number | undefined) {
  let query = builder
    .selectFrom("events as e")
    .select("e.doc")
    .where("e.seq", ">", Math.max(size, filter.after ?? 0))
    .orderBy("e.seq", order(filter));
  if (filter.agentId !== undefined) query = query.where(says("agent_id", filter.agentId));
  if (filter.runId !== undefined) query = query.where(says("run_id", filter.runId));
  if (filter.event !== undefined) query = query.where(says("event", filter.event));
  return limit === undefined ? query : query.limit(limit);
}

/** Whether a member of a document is this text, and not something else that would be printed so; the names are ours. */
function says(name: "agent_id" | "run_id" | "event", text: string) {
  const path = sql.lit(`$.${name}`);
  return sql<boolean>`e.doc ->> ${path} = ${text} AND json_type(e.doc, ${path}) = 'text'`;
}
