import { type Change, changesOf } from "../../model/change.js";
import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";
import { KeyTables } from "./key-tables.js";
import { AuthorityTables, eventOf } from "./projection.js";
import { RunTable } from "./run-table.js";
import type { TreeTable } from "./tree-table.js";

/** So many events at most are in the log and not yet in the tables, as long as some process writes. */
export const lagMax = 1024;

/**
 * What may stand in the log alone for a while: steps, checks, effects and other people's events. They open and close
 * steps and count uses, which whoever opens the store folds from the log. Whatever else an event is, the tables say
 * it from its transaction on, so that lists of runs, policies and authority need no look at the log's end.
 */
const waits: ReadonlySet<string> = new Set([
  "step_execution_requested",
  "step_execution_authorized",
  "step_execution_denied",
  "step_execution_completed",
  "capability_checked",
  "capability_denied",
  "capability_executed",
  "effect_attempted",
  "effect_performed",
  "effect_denied",
]);

/**
 * All tables that follow from the log, at the size that `tree_head` says. A step that touched each of them in both of
 * its transactions would write five times the pages; most steps end before the tables would have heard of them.
 */
export class Projections {
  readonly #tree: TreeTable;
  readonly #authority: AuthorityTables;
  readonly #runs: RunTable;
  readonly #keys: KeyTables;
  readonly #after;
  readonly #last;
  #due = false;
  /** Own events that follow each other without a gap: at the end of the log they need not be read again. */
  #tail: Appended[] = [];
  /** So many of them are in the log; the rest was appended in this transaction. */
  #committed = 0;

  constructor(db: Connection, tree: TreeTable) {
    this.#tree = tree;
    this.#authority = new AuthorityTables(db);
    this.#runs = new RunTable(db);
    this.#keys = new KeyTables(db);
    this.#after = db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq");
    this.#last = db.prepare("SELECT coalesce(max(seq), 0) FROM events").pluck();
  }

  /** A new transaction begins; what an earlier one wanted and did not get is forgotten with it. */
  reset(): void {
    this.#due = false;
    this.#tail.length = this.#committed;
  }

  /** The transaction was committed. */
  saved(): void {
    this.#committed = this.#tail.length;
  }

  /** An event was appended in this transaction. */
  note(event: AuditEvent, changes: readonly Change[]): void {
    if (!waits.has(event.event) && !event.event.startsWith("x_")) this.#due = true;
    const last = this.#tail.at(-1)?.event;
    // When somebody else wrote in between, or nobody asked for long.
    if (last !== undefined && (last.seq !== event.seq - 1 || this.#tail.length > 2 * lagMax)) this.#forget();
    this.#tail.push({ event, changes });
  }

  /** The tables are brought to the end of the log with this transaction, whatever it holds. */
  settle(): void {
    this.#due = true;
  }

  /** Call before each commit. True when it brought the tables to the end of the log. */
  save(): boolean {
    const first = this.#tail[0]?.event.seq ?? 0;
    const last = this.#tail.at(-1)?.event.seq ?? 0;
    if (!this.#due && last - first < lagMax) return false;
    this.#apply();
    return true;
  }

  #apply(): void {
    const opened = new Map<string, () => void>();
    for (const { event, changes } of this.#appendedAfter(this.#tree.storedSize())) {
      for (const change of changes) {
        // Most steps have ended by now: the table never hears of them.
        if (change.kind === "open") opened.set(change.requestId, () => this.#authority.apply(change));
        else if (change.kind !== "close" || !opened.delete(change.requestId)) this.#authority.apply(change);
      }
      this.#runs.apply(event);
      this.#keys.add(event);
    }
    for (const open of opened.values()) open();
    this.#tree.store();
    this.#forget();
  }

  #forget(): void {
    this.#tail = [];
    this.#committed = 0;
  }

  #appendedAfter(seq: number): readonly Appended[] {
    const last = this.#tail.at(-1)?.event.seq;
    // Others may have appended behind them, when this transaction appended nothing.
    if (last !== undefined && last - this.#tail.length <= seq && last === this.#last.get()) {
      return this.#tail.slice(seq - last + this.#tail.length);
    }
    return (this.#after.all(seq) as { doc: string }[]).map((row) => {
      const event = eventOf(row);
      return { event, changes: changesOf(event) };
    });
  }
}

interface Appended {
  readonly event: AuditEvent;
  readonly changes: readonly Change[];
}
