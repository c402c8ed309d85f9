import { BlockKeys, eventsOfBlock } from "../core/event-keys.js";
import type { LogImage } from "../core/log-image.js";
import type { AuditEvent } from "../model/event.js";
import { type Problem, problem } from "./problem.js";

/** Holds what events are found by against the events: whoever edits it hides a part of the log from who asks for it. */
export class KeyCheck {
  readonly #image: LogImage;
  #keys: BlockKeys | undefined;
  #rows = 0;
  readonly problems: Problem[] = [];

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** The next event that the tables have heard of. */
  take(event: AuditEvent): void {
    if (this.problems.length > 0) return;
    if (this.#keys?.has(event.seq) !== true) {
      this.#compare();
      this.#keys = new BlockKeys(event.seq);
    }
    this.#keys.add(event.seq, event.id, event["run_id"], event["agent_id"]);
  }

  /** There are no more events that the tables have heard of. */
  end(): void {
    this.#compare();
    if (this.problems.length > 0 || this.#image.keyCount() === this.#rows) return;
    this.problems.push(problem("projection_mismatch", "the tables find events that they cannot know"));
  }

  #compare(): void {
    const keys = this.#keys;
    if (keys === undefined || this.problems.length > 0) return;
    const { ids, rows } = this.#image.keyBlock(keys.block);
    // One for the ids.
    this.#rows += keys.rowCount + 1;
    if (isSame(ids, keys.ids) && rows.keys.length === keys.rowCount && keys.hasAll(rows)) return;
    const first = Math.max(1, keys.block * eventsOfBlock);
    const last = (keys.block + 1) * eventsOfBlock - 1;
    const message = `what events ${first} to ${last} are found by is not what they say`;
    this.problems.push(problem("projection_mismatch", message, first));
  }
}

function isSame(one: readonly unknown[] | undefined, other: readonly unknown[]): boolean {
  return one?.every((value, at) => value === other[at]) === true;
}
