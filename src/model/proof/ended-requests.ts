import type { JsonValue } from "../json.js";
import { IdTable } from "./id-table.js";

/** What may still be asked of a request that has ended. */
export interface EndedRequest {
  /** Nothing follows a denial; a refused use may follow any other end. */
  readonly denied: boolean;
  /** Its uses of handles up to this number were answered. */
  readonly answered: number;
}

/** Agent, workflow, step, run and attempt: every event of a request says the same. */
export type Whose = readonly (JsonValue | undefined)[];

const answeredMax = 2 ** 20 - 1;
const denial = 0;

/**
 * Ended requests, for as long as a log is: their ids must not be used again, and what comes late must be theirs.
 * A log has one for every few events, so each is one number: 32 bits of whose it was, and how many of its uses
 * were answered. A late event that names somebody else and has the same 32 bits passes for theirs; it can only
 * say that a use was refused, so no authority hangs on it, and ids are compared whole.
 */
export class EndedRequests {
  readonly #notes = new IdTable("evt_");

  has(id: string): boolean {
    return this.#notes.get(id) !== undefined;
  }

  addDenied(id: string): void {
    this.#notes.set(id, denial);
  }

  /** False when so many uses do not fit: then the request has to be kept as it is. */
  add(id: string, whose: Whose, answered: number): boolean {
    if (answered > answeredMax) return false;
    this.#notes.set(id, digest(whose) * (answeredMax + 1) + answered + 1);
    return true;
  }

  /** Undefined when there is none; `"foreign"` when it was somebody else's. */
  find(id: string, whose: Whose): EndedRequest | "foreign" | undefined {
    const note = this.#notes.get(id);
    if (note === undefined) return undefined;
    if (note === denial) return { denied: true, answered: 0 };
    const answered = (note - 1) % (answeredMax + 1);
    return (note - 1 - answered) / (answeredMax + 1) === digest(whose)
      ? { denied: false, answered }
      : "foreign";
  }

  /** For one of which more has to be known again. */
  remove(id: string): void {
    this.#notes.delete(id);
  }
}

/** FNV-1a, 32 bits, over UTF-16 code units of each member and a mark of its kind behind it. */
function digest(whose: Whose): number {
  let hash = 0x811c9dc5;
  const take = (unit: number) => (hash = Math.imul(hash ^ unit, 0x01000193));
  for (const member of whose) {
    const text = typeof member === "string" ? member : printed(member);
    for (let at = 0; at < text.length; at++) take(text.charCodeAt(at));
    take(typeof member === "string" ? 0x10000 : 0x10001);
  }
  return hash >>> 0;
}

function printed(member: JsonValue | undefined): string {
  if (member === undefined || member === null) return "";
  return typeof member === "number" ? String(member) : JSON.stringify(member);
}
