/**
 * What events are found by: agents and runs, of which a block of events says where each of them stands in it, and ids,
 * of which it says between which they lie. An entry for each event was an eighth of the log (docs/adr/0009).
 */

/** Event n is in block ⌊n / 256⌋, at place n mod 256. */
export const eventsOfBlock = 256;

export type KeyKind = "agent" | "run";

/** Where a block has an agent or a run: places in rising order, with commas between them. */
export type KeyRow = readonly [kind: KeyKind, key: string, places: string];

/** Rows of one block, column by column, in no order; null for what is no text. */
export interface KeyColumns {
  readonly kinds: readonly (string | null)[];
  readonly keys: readonly (string | null)[];
  readonly places: readonly (string | null)[];
}

/** The keys of events of one block, which follow each other. */
export class BlockKeys {
  readonly block: number;
  /** The ids that come first and last, in the order of their UTF-8. */
  #first: string | undefined;
  #last = "";
  #isBefore = isBefore;
  readonly #agents = new Map<string, number[]>();
  readonly #runs = new Map<string, number[]>();

  /** @param seq of its first event here. */
  constructor(seq: number) {
    this.block = Math.floor(seq / eventsOfBlock);
  }

  has(seq: number): boolean {
    return Math.floor(seq / eventsOfBlock) === this.block;
  }

  /** @param runId @param agentId members of the event, whatever they are: only texts are searched for. */
  add(seq: number, id: string, runId: unknown, agentId: unknown): void {
    const place = seq % eventsOfBlock;
    if (beyond.test(id)) this.#isBefore = isBeforeInUtf8;
    // Most follow those before them.
    if (this.#first === undefined) this.#first = this.#last = id;
    else if (this.#isBefore(this.#last, id)) this.#last = id;
    else if (this.#isBefore(id, this.#first)) this.#first = id;
    if (typeof agentId === "string") note(this.#agents, agentId, place);
    if (typeof runId === "string") note(this.#runs, runId, place);
  }

  get ids(): readonly [first: string, last: string] {
    return [this.#first ?? "", this.#last];
  }

  /** In no order. */
  rows(): KeyRow[] {
    return [...rowsOf("agent", this.#agents), ...rowsOf("run", this.#runs)];
  }

  get rowCount(): number {
    return this.#agents.size + this.#runs.size;
  }

  /** Whether each of these rows is one of them. */
  hasAll({ kinds, keys, places }: KeyColumns): boolean {
    return keys.every((key, row) => {
      const ofKind = kinds[row] === "agent" ? this.#agents : kinds[row] === "run" ? this.#runs : undefined;
      return key !== null && ofKind?.get(key)?.join(",") === places[row];
    });
  }
}

function note(keys: Map<string, number[]>, key: string, place: number): void {
  const places = keys.get(key);
  if (places === undefined) keys.set(key, [place]);
  else places.push(place);
}

function rowsOf(kind: KeyKind, keys: ReadonlyMap<string, readonly number[]>): KeyRow[] {
  return [...keys].map(([key, places]) => [kind, key, places.join(",")]);
}

function isBefore(one: string, other: string): boolean {
  return one < other;
}

/** As SQLite compares; UTF-16, in which JavaScript does, has another order from the surrogates on. */
function isBeforeInUtf8(one: string, other: string): boolean {
  return Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0;
}

const beyond = /[\ud800-\uffff]/;
