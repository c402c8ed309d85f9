import type { LogImage } from "../core/log-image.js";
import type { AuditEvent } from "../model/event.js";
import { type Problem, problem } from "./problem.js";

const pageSize = 256;

type Keys = readonly [id: string, runId: string | null, agentId: string | null];

/** Holds what events are found by against the events: whoever edits it hides a part of the log from who asks for it. */
export class KeyCheck {
  readonly #image: LogImage;
  /** Number of the first event that was not compared yet, and what they all say. */
  #first = 1;
  #rows: Keys[] = [];
  readonly problems: Problem[] = [];

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** The next event that the tables have heard of. */
  take(event: AuditEvent): void {
    if (this.problems.length > 0) return;
    this.#rows.push([event.id, textOrNull(event["run_id"]), textOrNull(event["agent_id"])]);
    if (this.#rows.length === pageSize) this.#compare();
  }

  /** There are no more events that the tables have heard of. */
  end(): void {
    this.#compare();
    if (this.problems.length > 0) return;
    const [row] = this.#image.eventKeys(Number.MIN_SAFE_INTEGER, 1);
    const beyond = row !== undefined && row.seq < 1 ? row : this.#image.eventKeys(this.#first - 1, 1)[0];
    if (beyond !== undefined)
      this.#refuse(`the tables find an event ${beyond.seq}, which they cannot know`, null);
  }

  #compare(): void {
    if (this.#rows.length === 0) return;
    const page = this.#image.keyPage(this.#first, this.#first + this.#rows.length - 1);
    // Two spellings of the same are told apart too: then row by row.
    if (page !== JSON.stringify(this.#rows)) this.#compareRows();
    this.#first += this.#rows.length;
    this.#rows = [];
  }

  #compareRows(): void {
    const rows = this.#image.eventKeys(this.#first - 1, this.#rows.length);
    const wrong = this.#rows.findIndex(([id, runId, agentId], at) => {
      const row = rows[at];
      const isSame = row?.seq === this.#first + at && row.id === id;
      return !isSame || row.run_id !== runId || row.agent_id !== agentId;
    });
    if (wrong < 0) return;
    const seq = this.#first + wrong;
    this.#refuse(`what event ${seq} is found by is not what it says`, seq);
  }

  #refuse(message: string, seq: number | null): void {
    this.problems.push(problem("projection_mismatch", message, seq));
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
