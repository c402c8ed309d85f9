import { type Change, changesOf } from "../../model/change.js";
import type { AuditEvent } from "../../model/event.js";
import type { Connection } from "./database.js";
import { Backlog, mayWait, type Tables } from "./backlog.js";
import { KeyTables } from "./key-tables.js";
import { AuthorityTables, eventOf } from "./projection.js";
import { RunTable } from "./run-table.js";
import type { TreeTable } from "./tree-table.js";

/** So many events at most are in the log and not yet in the tables, as long as some process writes. */
export const lagMax = 2048;
/** From so many on they come along with what is slow anyway. */
export const lagWorthwhile = 1536;

/**
 * All tables that follow from the log, at the size that `tree_head` says. A step that touched each of them in both of
 * its transactions would write five times the pages; most steps end before the tables would have heard of them.
 */
export class Projections {
  readonly #tree: TreeTable;
  readonly #tables: Tables;
  /** Up to date with each event: it is a row of a short list, for which nobody brings all tables along. */
  readonly #runs: RunTable;
  readonly #after;
  readonly #last;
  /** The tables say at least so many events. */
  #stored = 0;
  #due = false;
  #slowAnyway = false;
  /** Of what this process committed: at the end of the log it need not be read again. */
  #backlog: Backlog | undefined;
  /** What was appended in this transaction. */
  #staged: Appended[] = [];

  constructor(db: Connection, tree: TreeTable) {
    this.#tree = tree;
    this.#tables = {
      authority: new AuthorityTables(db),
      keys: new KeyTables(db),
    };
    this.#runs = new RunTable(db);
    this.#after = db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq");
    this.#last = db.prepare("SELECT coalesce(max(seq), 0) FROM events").pluck();
  }

  /** A new transaction begins; what an earlier one wanted and did not get is forgotten with it. */
  reset(): void {
    this.#due = false;
    this.#slowAnyway = false;
    this.#staged = [];
  }

  /** The transaction was committed. */
  saved(): void {
    // Where another process brings the tables along, nobody asks for it here.
    if (this.#backlog !== undefined && this.#backlog.size > 2 * lagMax) this.#backlog = undefined;
    this.#backlog = this.#extended();
    this.#staged = [];
  }

  /** An event was appended in this transaction. */
  note(event: AuditEvent, changes: readonly Change[]): void {
    if (!mayWait(event)) this.#due = true;
    this.#runs.apply(event);
    this.#staged.push({ event, changes });
  }

  /** The tables are brought to the end of the log with this transaction, whatever it holds. */
  settle(): void {
    this.#due = true;
  }

  /** This transaction is slow for another reason: of two that are, one is slow if they are the same. */
  suggest(): void {
    this.#slowAnyway = true;
  }

  /** Call before each commit. True when it brought the tables to the end of the log. */
  save(): boolean {
    if (!this.#due && !this.#isLate()) return false;
    this.#apply();
    return true;
  }

  #isLate(): boolean {
    const last = this.#staged.at(-1)?.event.seq ?? this.#backlog?.last ?? 0;
    const max = this.#slowAnyway ? lagWorthwhile : lagMax;
    if (last - this.#stored < max) return false;
    // Another process may have brought them along.
    this.#stored = this.#tree.storedSize();
    return last - this.#stored >= max;
  }

  #apply(): void {
    const stored = this.#tree.storedSize();
    const own = this.#extended();
    // Others may have appended behind what was committed here, when this transaction appends nothing.
    const isAll = own !== undefined && own.first === stored + 1 && own.last === this.#last.get();
    (isAll ? own : this.#readAfter(stored)).applyTo(this.#tables);
    this.#tree.store();
    this.#stored = stored;
    this.#backlog = undefined;
    this.#staged = [];
  }

  /** What was committed here and what is appended now, as far as there is no gap: others may have written in between. */
  #extended(): Backlog | undefined {
    const [next] = this.#staged;
    if (next === undefined) return this.#backlog;
    const { seq } = next.event;
    const backlog = this.#backlog?.last === seq - 1 ? this.#backlog : new Backlog(seq);
    for (const { event, changes } of this.#staged) backlog.add(event, changes);
    return backlog;
  }

  #readAfter(seq: number): Backlog {
    const backlog = new Backlog(seq + 1);
    for (const row of this.#after.iterate(seq) as IterableIterator<{ doc: string }>) {
      const event = eventOf(row);
      backlog.add(event, changesOf(event));
    }
    return backlog;
  }
}

interface Appended {
  readonly event: AuditEvent;
  readonly changes: readonly Change[];
}
