import type { KeyRow, LogImage } from "../core/log-image.js";
import type { AuditEvent } from "../model/event.js";
import { type Problem, problem } from "./problem.js";

const pageSize = 256;

/** What stands between two values of a page, and for none (`KeyPage`). */
const [between, none] = ["\0", "\u0001"];

interface Expected {
  readonly seq: number;
  readonly id: string;
  readonly run: string | null;
  readonly agent: string | null;
}

/** Holds what events are found by against the events: whoever edits it hides a part of the log from who asks for it. */
export class KeyCheck {
  readonly #image: LogImage;
  #expected: Expected[] = [];
  #last = 0;
  readonly problems: Problem[] = [];

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** The next event that the tables have heard of. */
  take(event: AuditEvent): void {
    if (this.problems.length > 0) return;
    this.#expected.push({
      seq: event.seq,
      id: event.id,
      run: textOrNull(event["run_id"]),
      agent: textOrNull(event["agent_id"]),
    });
    if (this.#expected.length === pageSize) this.#compare();
  }

  /** There are no more events that the tables have heard of. */
  end(): void {
    this.#compare();
    if (this.problems.length > 0) return;
    const [before] = this.#image.eventKeys(Number.MIN_SAFE_INTEGER, 1);
    const [after] = this.#image.eventKeys(this.#last, 1);
    const row = before !== undefined && before.seq < 1 ? before : after;
    if (row !== undefined) this.#refuse(`the tables find an event ${row.seq}, which they cannot know`, null);
  }

  #compare(): void {
    const expected = this.#expected;
    const [first, last] = [expected[0], expected.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#expected = [];
    this.#last = last.seq;
    if (!this.#isPage(expected, first.seq, last.seq)) this.#compareRows(expected, first.seq);
  }

  /** All of them at once; false where it cannot be told like this. */
  #isPage(expected: readonly Expected[], first: number, last: number): boolean {
    const page = this.#image.keyPage(first, last);
    if (page === undefined) return false;
    const same = (column: string, values: readonly (string | null)[]) => {
      // A value that holds what stands between values, or for none, could be taken for others.
      const isPlain = values.every((value) => value === null || !/[\0\u0001]/.test(value));
      return isPlain && column === values.map((value) => value ?? none).join(between);
    };
    return (
      same(
        page.ids,
        expected.map(({ id }) => id),
      ) &&
      same(
        page.runs,
        expected.map(({ run }) => run),
      ) &&
      same(
        page.agents,
        expected.map(({ agent }) => agent),
      )
    );
  }

  #compareRows(expected: readonly Expected[], first: number): void {
    const rows: readonly KeyRow[] = this.#image.eventKeys(first - 1, expected.length);
    const wrong = expected.find(({ seq, id, run, agent }, at) => {
      const row = rows[at];
      return row?.seq !== seq || row.id !== id || row.run_id !== run || row.agent_id !== agent;
    });
    if (wrong !== undefined)
      this.#refuse(`what event ${wrong.seq} is found by is not what it says`, wrong.seq);
  }

  #refuse(message: string, seq: number | null): void {
    this.problems.push(problem("projection_mismatch", message, seq));
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
