import type { KeyColumn, KeyRow, LogImage } from "../core/log-image.js";
import type { AuditEvent } from "../model/event.js";
import { type Problem, problem } from "./problem.js";

const pageSize = 256;

/** What stands between two values of a page, and for none (`KeyPage`). */
const [between, none] = ["\0", "\u0001"];

/** Holds what events are found by against the events: whoever edits it hides a part of the log from who asks for it. */
export class KeyCheck {
  readonly #image: LogImage;
  /** Number of the first event that was not compared yet, and what they all say. */
  #first = 1;
  #ids: string[] = [];
  #runs: (string | null)[] = [];
  #agents: (string | null)[] = [];
  readonly problems: Problem[] = [];

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** The next event that the tables have heard of. */
  take(event: AuditEvent): void {
    if (this.problems.length > 0) return;
    this.#ids.push(event.id);
    this.#runs.push(textOrNull(event["run_id"]));
    this.#agents.push(textOrNull(event["agent_id"]));
    if (this.#ids.length === pageSize) this.#compare();
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
    if (this.#ids.length === 0) return;
    if (!this.#isPage()) this.#compareRows();
    this.#first += this.#ids.length;
    [this.#ids, this.#runs, this.#agents] = [[], [], []];
  }

  /** All of them at once; false where it cannot be told like this. */
  #isPage(): boolean {
    const page = this.#image.keyPage(this.#first, this.#first + this.#ids.length - 1);
    if (page === undefined) return false;
    return (
      isColumn(page.ids, this.#ids) && isColumn(page.runs, this.#runs) && isColumn(page.agents, this.#agents)
    );
  }

  #compareRows(): void {
    const rows: readonly KeyRow[] = this.#image.eventKeys(this.#first - 1, this.#ids.length);
    const wrong = this.#ids.findIndex((id, at) => {
      const row = rows[at];
      const isSame = row?.seq === this.#first + at && row.id === id;
      return !isSame || row.run_id !== this.#runs[at] || row.agent_id !== this.#agents[at];
    });
    if (wrong < 0) return;
    const seq = this.#first + wrong;
    this.#refuse(`what event ${seq} is found by is not what it says`, seq);
  }

  #refuse(message: string, seq: number | null): void {
    this.problems.push(problem("projection_mismatch", message, seq));
  }
}

/**
 * Whether a column has these values. Marks between values and for none are counted on both sides: a value that holds
 * one could be taken for others, so it is left to a comparison row by row.
 */
function isColumn(column: KeyColumn, values: readonly (string | null)[]): boolean {
  let missing = 0;
  for (const value of values) if (value === null) missing++;
  const text = values.map((value) => value ?? none).join(between);
  return (
    column.text === text &&
    column.none === missing &&
    text.split(between).length === values.length &&
    text.split(none).length - 1 === missing
  );
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
