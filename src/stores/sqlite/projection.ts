import type { Change } from "../../model/change.js";
import type { AuditEvent } from "../../model/event.js";
import { StoreError } from "../../model/errors.js";
import { isJsonObject } from "../../model/json.js";
import type { State } from "../../model/state.js";
import type { Connection } from "./database.js";

/**
 * The state of authority in tables, changed in the transaction of the event that changes it, so that
 * opening reads the living objects and not the whole log. Rebuildable: folding the log gives the same.
 */
export class AuthorityTables {
  readonly #put;
  readonly #inheritUses;
  readonly #inheritRate;
  readonly #revoke;
  readonly #suspend;
  readonly #unsuspend;
  readonly #charge;
  readonly #chargeRate;
  readonly #pruneRate;
  readonly #open;
  readonly #close;

  constructor(db: Connection) {
    this.#put = db.prepare("INSERT INTO authority (id, kind, created_seq) VALUES (?, ?, ?)");
    this.#inheritUses = db.prepare(
      "UPDATE authority SET uses = coalesce((SELECT uses FROM authority WHERE id = ?), 0) WHERE id = ?",
    );
    this.#inheritRate = db.prepare("INSERT INTO rate_uses SELECT ?, n, at FROM rate_uses WHERE id = ?");
    this.#revoke = db.prepare("UPDATE authority SET revoked_seq = ? WHERE id = ? AND revoked_seq IS NULL");
    this.#suspend = db.prepare("INSERT OR IGNORE INTO suspended VALUES (?)");
    this.#unsuspend = db.prepare("DELETE FROM suspended WHERE agent_id = ?");
    this.#charge = db.prepare("UPDATE authority SET uses = uses + 1 WHERE id = ?");
    this.#chargeRate = db.prepare(
      "INSERT INTO rate_uses SELECT ?, coalesce(max(n), 0) + 1, ? FROM rate_uses WHERE id = ?",
    );
    this.#pruneRate = db.prepare("DELETE FROM rate_uses WHERE id = ? AND at <= ?");
    this.#open = db.prepare("INSERT INTO open_steps VALUES (?, ?)");
    this.#close = db.prepare("DELETE FROM open_steps WHERE request_id = ?");
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "contract":
      case "binding":
        this.#put.run(change.id, change.kind, change.event.seq);
        if (change.supersedes !== undefined) {
          this.#inheritUses.run(change.supersedes, change.id);
          // As in memory: only a window takes a window over.
          if (isRated(change.event)) this.#inheritRate.run(change.id, change.supersedes);
        }
        return;
      case "revoke":
        this.#revoke.run(change.seq, change.id);
        return;
      case "suspend":
        if (change.suspended) this.#suspend.run(change.agentId);
        else this.#unsuspend.run(change.agentId);
        return;
      case "charge":
        this.#charge.run(change.id);
        if (change.perMs !== undefined) {
          this.#pruneRate.run(change.id, change.at - change.perMs);
          this.#chargeRate.run(change.id, change.at, change.id);
        }
        return;
      case "open":
        this.#open.run(change.requestId, change.event.seq);
        return;
      case "close":
        this.#close.run(change.requestId);
    }
  }
}

/**
 * Brings a new state to the head of the log: what the tables say, and the events that they have not heard of. All
 * reads see one moment: the caller holds a transaction.
 */
export function loadState(db: Connection, state: State): void {
  const rateTimes = db.prepare("SELECT at FROM rate_uses WHERE id = ? ORDER BY n").pluck();
  const links = db
    .prepare(
      "SELECT a.*, e.doc FROM authority a JOIN events e ON e.seq = a.created_seq ORDER BY a.created_seq",
    )
    .iterate() as IterableIterator<
    Row & { id: string; kind: "contract" | "binding"; revoked_seq: number | null; uses: number }
  >;
  for (const row of links) {
    state.apply({ kind: row.kind, id: row.id, event: eventOf(row) });
    if (row.revoked_seq !== null) state.apply({ kind: "revoke", id: row.id, seq: row.revoked_seq });
    state.restoreUses(row.id, row.uses, rateTimes.all(row.id) as number[]);
  }
  for (const row of db.prepare("SELECT agent_id FROM suspended").all() as { agent_id: string }[]) {
    state.apply({ kind: "suspend", agentId: row.agent_id, suspended: true });
  }
  const open = db.prepare(
    "SELECT o.request_id, e.doc FROM open_steps o JOIN events e USING (seq) ORDER BY seq",
  );
  for (const row of open.all() as (Row & { request_id: string })[]) {
    state.apply({ kind: "open", requestId: row.request_id, event: eventOf(row) });
  }
  const size = (db.prepare("SELECT size FROM tree_head").pluck().get() ?? 0) as number;
  if (size > 0) {
    const row = db.prepare("SELECT doc FROM events WHERE seq = ?").get(size) as Row | undefined;
    if (row === undefined) throw cutOff(db, size);
    const event = eventOf(row);
    state.seq = event.seq;
    state.lastTime = Date.parse(event.timestamp);
  }
  const tail = db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq");
  for (const each of tail.iterate(state.seq) as IterableIterator<Row>) state.fold(eventOf(each));
}

/** Authority that the log does not show any more may have been taken away by what is missing: nothing is decided by it. */
function cutOff(db: Connection, size: number): StoreError {
  return new StoreError(
    "damaged_store",
    `the log \`${db.name}\` does not reach event ${size}, which its tables rest on`,
    {
      hint: "`synapse audit verify` says what is wrong with it; go on from a copy that verifies",
    },
  );
}

function isRated(event: AuditEvent): boolean {
  const constraints = event["constraints"];
  return isJsonObject(constraints) && "rate" in constraints;
}

interface Row {
  readonly doc: string;
}

export function eventOf(row: Row): AuditEvent {
  return JSON.parse(row.doc) as AuditEvent;
}
