import type { KeyRow, LogImage } from "../core/log-image.js";
import type { AuditEvent } from "../model/event.js";
import { type Problem, problem } from "./problem.js";

const pageSize = 256;

/** Holds what events are found by against the events: whoever edits it hides a part of the log from who asks for it. */
export class KeyCheck {
  readonly #image: LogImage;
  #page: readonly KeyRow[] = [];
  #read = 0;
  #after = Number.MIN_SAFE_INTEGER;
  readonly problems: Problem[] = [];

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** The next event that the tables have heard of. */
  take(event: AuditEvent): void {
    if (this.problems.length > 0) return;
    const row = this.#next();
    const { seq, id, run_id: run, agent_id: agent } = row ?? {};
    const same =
      seq === event.seq &&
      id === event.id &&
      run === textOrNull(event["run_id"]) &&
      agent === textOrNull(event["agent_id"]);
    if (!same) this.#refuse(`what event ${event.seq} is found by is not what it says`, event.seq);
  }

  /** There are no more events that the tables have heard of. */
  end(): void {
    if (this.problems.length > 0) return;
    const row = this.#next();
    if (row !== undefined) this.#refuse(`the tables find an event ${row.seq}, which they cannot know`, null);
  }

  #next(): KeyRow | undefined {
    if (this.#read === this.#page.length) {
      this.#page = this.#image.eventKeys(this.#after, pageSize);
      this.#read = 0;
    }
    const row = this.#page[this.#read++];
    this.#after = row?.seq ?? this.#after;
    return row;
  }

  #refuse(message: string, seq: number | null): void {
    this.problems.push(problem("projection_mismatch", message, seq));
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
