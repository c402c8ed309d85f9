import { BlockKeys } from "../../core/event-keys.js";
import type { Change } from "../../model/change.js";
import type { AuditEvent } from "../../model/event.js";
import type { KeyTables } from "./key-tables.js";
import type { AuthorityTables } from "./projection.js";

/**
 * What may stand in the log alone for a while: steps, checks, effects, other people's events, and runs, of which there is
 * a list that is told at once. They open and close steps and count uses, which whoever opens the store folds from the
 * log. Whatever else an event is, the tables say it from its transaction on, so that lists of authority need no look at
 * the log's end.
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
  "run_started",
  "run_completed",
  "run_cancelled",
]);

export function mayWait({ event }: AuditEvent): boolean {
  return waits.has(event) || event.startsWith("x_");
}

/** What has to be told to the tables. */
export interface Tables {
  readonly authority: AuthorityTables;
  readonly keys: KeyTables;
}

/**
 * What the tables have not heard of, of events that follow each other without a gap. It keeps of an event what its
 * rows need and nothing more, and of a step that ended nothing but that: two thousand events that outlive their steps
 * would be moved about by every collection of garbage.
 */
export class Backlog {
  /** Number of the first event. */
  readonly first: number;
  #size = 0;
  readonly #keys: BlockKeys[] = [];
  readonly #rotations: number[] = [];
  readonly #changes: Change[] = [];
  readonly #opened = new Map<string, Change>();

  constructor(first: number) {
    this.first = first;
  }

  /** Number of the last event; that of the one in front of the first while there is none. */
  get last(): number {
    return this.first - 1 + this.#size;
  }

  get size(): number {
    return this.#size;
  }

  add(event: AuditEvent, changes: readonly Change[]): void {
    this.#size++;
    let keys = this.#keys.at(-1);
    if (keys?.has(event.seq) !== true) this.#keys.push((keys = new BlockKeys(event.seq)));
    keys.add(event.seq, event.id, event["run_id"], event["agent_id"]);
    if (event.event === "key_rotated") this.#rotations.push(event.seq);
    for (const change of changes) {
      // Most steps have ended by now: the table never hears of them.
      if (change.kind === "open") this.#opened.set(change.requestId, change);
      else if (change.kind !== "close" || !this.#opened.delete(change.requestId)) this.#changes.push(change);
    }
  }

  applyTo({ authority, keys }: Tables): void {
    for (const change of this.#changes) authority.apply(change);
    for (const open of this.#opened.values()) authority.apply(open);
    for (const seq of this.#rotations) keys.addRotation(seq);
    for (const block of this.#keys) keys.add(block);
  }
}
