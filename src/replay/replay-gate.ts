import type { SettlingGate } from "../core/invoke-action.js";
import type { EffectUse } from "../core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import type { Divergence } from "./divergence.js";
import type { Journal, JournalAnswer, JournalEntry } from "./journal.js";
import { type AskedUse, askedUse, differenceOf, shownEntry, shownUse } from "./replay-use.js";

/** Why a replay went no further. */
export type Halt =
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  /** The journal ends here: the step was stopped, or its process was gone, at this point. */
  | { readonly kind: "journal_ended" }
  /** What was recorded here has been erased (SEMANTICS R4). */
  | { readonly kind: "unavailable"; readonly what: string };

/** A use that the action waits for. */
interface Waiting {
  readonly use: AskedUse;
  /** How many answers it had been given when it asked. */
  readonly turn: number;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

export interface ReplayGateOptions {
  /** Whether the recorded step went on to an end of its own, so that its journal is whole. */
  readonly whole: boolean;
  /** Of the step, as they were recorded. */
  readonly params: JsonObject;
  /** How long the action may wait for an answer whose turn does not come, ms. */
  readonly stallMs: number;
}

/**
 * The handles' side of a replay: every use is compared with the journal and answered from it. The body of a use,
 * which is what would touch the world, is never called; nothing is appended or charged (SEMANTICS R4).
 *
 * It goes through the journal moment by moment, and lets the action do all it does with one answer before it gets the
 * next. Uses that follow from the same answer have to come in the order in which they came then; between those that
 * follow from different answers there was a race, and the journal says how it went.
 *
 * Once halted, no use ever settles: an action that tries again and again would keep the replay from ending, and one
 * that does not look at an answer would bring down the process with its refusal.
 */
export class ReplayGate implements SettlingGate {
  readonly #journal: Journal;
  /** What it is about is in the journal: there is no message to find. */
  readonly traceId = "replay";
  readonly #options: ReplayGateOptions;
  /** Asked for, and not yet found in the journal. */
  #unmatched: Waiting[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #abort = new AbortController();
  readonly halted: Promise<void>;
  #resolveHalted: () => void = () => undefined;
  #asked = 0;
  #next = 0;
  #turn = 0;
  #inFlight = 0;
  #going = false;
  #stall: NodeJS.Timeout | undefined;
  #wakeIdle: () => void = () => undefined;
  halt: Halt | undefined;
  /** A request that could not be compared, since it was erased. */
  erased: string | undefined;

  constructor(
    readonly agentId: string,
    journal: Journal,
    options: ReplayGateOptions,
  ) {
    this.#journal = journal;
    this.#options = options;
    this.halted = new Promise((resolve) => (this.#resolveHalted = resolve));
    void this.#go();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Uses of handles so far. */
  get count(): number {
    return this.#asked;
  }

  perform<T extends JsonValue | object>(use: EffectUse): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.halt !== undefined) return;
      this.#asked++;
      this.#inFlight++;
      this.#unmatched.push({ use: askedUse(use), turn: this.#turn, resolve, reject });
      void this.#go();
    });
  }

  async idle(): Promise<void> {
    await actionsTurn();
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => (this.#wakeIdle = resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What was recorded and the action, which has ended, left out; what nobody saw end does not count. */
  leftOut(): Divergence | undefined {
    for (const { what, n } of this.#journal.moments.slice(this.#next)) {
      const entry = this.#journal.entries.get(n);
      if (entry === undefined || (entry.answer === undefined && !this.#options.whole)) continue;
      if (what === "answered" && n <= this.#asked) return misrecorded(`use ${n} was answered twice`);
      const message = `use ${n} of a handle (${entry.effect}) is not made any more`;
      return { kind: "effect", message, recorded: shownEntry(entry, this.#options.params), replayed: null };
    }
    return undefined;
  }

  /** The first reason stands. */
  end(halt: Halt): void {
    if (this.halt !== undefined) return;
    this.halt = halt;
    clearTimeout(this.#stall);
    this.#resolveHalted();
    this.#abort.abort(new Error("the replay of this step goes no further"));
  }

  /** Goes on in the journal as far as what the action asked for leads. */
  async #go(): Promise<void> {
    if (this.#going) return;
    this.#going = true;
    clearTimeout(this.#stall);
    await actionsTurn();
    while (this.halt === undefined) {
      const moment = this.#journal.moments[this.#next];
      if (moment === undefined) {
        this.#atEnd();
        break;
      }
      if (moment.what === "asked") {
        if (!this.#match(moment.n)) break;
        this.#next++;
      } else {
        this.#next++;
        this.#give(moment.n);
        await actionsTurn();
      }
    }
    this.#going = false;
    if (this.#inFlight > 0 && this.halt === undefined) this.#watch();
  }

  #atEnd(): void {
    const [extra] = this.#unmatched;
    if (!this.#options.whole) return this.end({ kind: "journal_ended" });
    if (extra !== undefined) {
      const n = this.#asked - this.#unmatched.length + 1;
      return this.#diverge(`use ${n} of a handle was never made`, null, shownUse(extra.use));
    }
    const [open] = this.#waiting.keys();
    if (open !== undefined)
      this.end({ kind: "diverged", divergence: misrecorded(`nothing says how use ${open} was answered`) });
  }

  /** Whether the action made the use that was made next. */
  #match(n: number): boolean {
    const entry = this.#journal.entries.get(n) as JournalEntry;
    const firstOfTurns = this.#unmatched.filter(
      ({ turn }, index, all) => all.findIndex((other) => other.turn === turn) === index,
    );
    const found = firstOfTurns.find(
      ({ use }) => differenceOf(entry, use, this.#options.params) === undefined,
    );
    const [first] = firstOfTurns;
    if (first === undefined) return false;
    if (found === undefined) {
      const difference = differenceOf(entry, first.use, this.#options.params) ?? "";
      const message = `use ${n} of a handle differs: ${difference}`;
      this.#diverge(message, shownEntry(entry, this.#options.params), shownUse(first.use));
      return false;
    }
    const state = entry.request?.value.state;
    if (state === "forged") this.end(forged(`the request of use ${n}`));
    if (state === "unavailable") this.erased ??= `the request of use ${n}`;
    this.#unmatched = this.#unmatched.filter((each) => each !== found);
    this.#waiting.set(n, found);
    return true;
  }

  #give(n: number): void {
    const waiting = this.#waiting.get(n);
    const entry = this.#journal.entries.get(n);
    if (waiting === undefined || entry?.answer === undefined)
      return this.end({ kind: "diverged", divergence: misrecorded(`use ${n} was answered twice`) });
    const { answer, effect } = entry;
    if (answer.kind !== "denial" && answer.value.state === "forged")
      return this.end(forged(`the answer to use ${n}`));
    if (answer.kind !== "denial" && answer.value.state === "unavailable")
      return this.end({ kind: "unavailable", what: `the answer to use ${n} (${effect})` });
    this.#waiting.delete(n);
    this.#turn++;
    deliver(answer, waiting);
    this.#inFlight--;
    if (this.#inFlight === 0) this.#wakeIdle();
  }

  /** The action waits for an answer, and does not ask for what was asked for before that came. */
  #watch(): void {
    this.#stall = setTimeout(() => {
      const n = this.#journal.moments[this.#next]?.n ?? 0;
      const entry = this.#journal.entries.get(n);
      const message = `use ${n} of a handle was made next, and the action does not make it`;
      this.#diverge(message, entry === undefined ? null : shownEntry(entry, this.#options.params), null);
    }, this.#options.stallMs);
  }

  #diverge(message: string, recorded: JsonValue, replayed: JsonValue): void {
    this.end({ kind: "diverged", divergence: { kind: "effect", message, recorded, replayed } });
  }
}

/** Lets the action do all that it does without waiting for anything. */
function actionsTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function deliver(answer: JournalAnswer, { resolve, reject }: Waiting): void {
  if (answer.kind === "denial") return reject(new EffectDeniedError(answer.code, answer.message));
  const value = answer.value.state === "present" ? answer.value.value : null;
  if (answer.kind === "answer") return resolve(value as never);
  const told = isJsonObject(value) ? value["message"] : undefined;
  const message = typeof told === "string" ? told : answer.code;
  // `failed` stands for what was thrown that is no error of this package, and was never a code.
  reject(answer.code === "failed" ? new Error(message) : new EffectFailedError(answer.code, message));
}

/** @param what e.g. "the answer to use 2" */
export function forged(what: string): Halt & { readonly kind: "diverged" } {
  return {
    kind: "diverged",
    divergence: misrecorded(`${what} is not what was committed to: its bytes were changed`),
  };
}

/** The record itself is not one that a step could have left. */
function misrecorded(message: string): Divergence {
  return { kind: "journal", message, recorded: null, replayed: null };
}
