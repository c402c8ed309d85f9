import type { SettlingGate } from "../core/invoke-action.js";
import type { EffectUse } from "../core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../model/errors.js";
import { isJsonObject, type JsonValue } from "../model/json.js";
import { isRecorded, shownValue } from "./blob-reader.js";
import type { Divergence } from "./divergence.js";
import type { Journal, JournalAnswer, JournalEntry } from "./journal.js";

/** Why a replay went no further. */
export type Halt =
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  /** The journal ends here: the step was stopped, or its process was gone, at this point. */
  | { readonly kind: "journal_ended" }
  /** What was recorded here has been erased (SEMANTICS R4). */
  | { readonly kind: "unavailable"; readonly what: string };

/** How long an answer may wait for its turn while the action asks for nothing, ms. */
const stallMs = 5_000;

/**
 * The handles' side of a replay: every use is compared with the journal and answered from it. The body of a use,
 * which is what would touch the world, is never called; nothing is appended or charged (SEMANTICS R4).
 *
 * Answers are given in the order in which they were given before, each after the action had its turn with the last.
 */
export class ReplayGate implements SettlingGate {
  readonly #journal: Journal;
  /** Whether the recorded step went on to an end of its own, so that its journal is whole. */
  readonly #whole: boolean;
  readonly #waiting = new Map<number, () => void>();
  readonly #onHalt: (halt: Halt) => void;
  /** What it is about is in the journal: there is no message to find. */
  readonly traceId = "replay";
  #asked = 0;
  #next = 0;
  #inFlight = 0;
  #delivering = false;
  #stall: NodeJS.Timeout | undefined;
  #wakeIdle: () => void = () => undefined;
  halt: Halt | undefined;
  /** A request that could not be compared, since it was erased. */
  erased: string | undefined;

  constructor(
    readonly agentId: string,
    readonly signal: AbortSignal,
    journal: Journal,
    options: { readonly whole: boolean; readonly onHalt: (halt: Halt) => void },
  ) {
    this.#journal = journal;
    this.#whole = options.whole;
    this.#onHalt = options.onHalt;
  }

  /** Uses of handles so far. */
  get count(): number {
    return this.#asked;
  }

  async perform<T extends JsonValue | object>(use: EffectUse): Promise<T> {
    const n = ++this.#asked;
    this.#inFlight++;
    try {
      const answer = this.#answerTo(n, use);
      await this.#turnOf(n);
      return deliver(answer) as T;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#wakeIdle();
    }
  }

  async idle(): Promise<void> {
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => (this.#wakeIdle = resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Uses that were recorded and that the action, which has ended, did not make. */
  missing(): JournalEntry | undefined {
    for (const [n, entry] of this.#journal.entries) if (n > this.#asked) return entry;
    return undefined;
  }

  /** The first reason stands; whatever waits is let go, and learns that its step is over. */
  end(halt: Halt): void {
    if (this.halt !== undefined) return;
    this.halt = halt;
    clearTimeout(this.#stall);
    this.#onHalt(halt);
    for (const wake of this.#waiting.values()) wake();
    this.#waiting.clear();
  }

  #answerTo(n: number, use: EffectUse): Extract<JournalAnswer, { kind: string }> {
    this.#assertAlive();
    const entry = this.#journal.entries.get(n);
    if (entry === undefined) {
      if (!this.#whole) return this.#stop({ kind: "journal_ended" });
      return this.#stop(diverged(`use ${n} of a handle was never made`, null, shownUse(use)));
    }
    const difference = differenceOf(entry, use);
    if (difference !== undefined) {
      return this.#stop(
        diverged(`use ${n} of a handle differs: ${difference}`, shownEntry(entry), shownUse(use)),
      );
    }
    const { request, answer } = entry;
    if (request?.value.state === "unavailable") this.erased ??= `the request of use ${n}`;
    if (request?.value.state === "forged") return this.#stop(forged(`the request of use ${n}`));
    if (answer === undefined) return this.#stop({ kind: "journal_ended" });
    if (answer.kind !== "denial" && answer.value.state === "forged")
      return this.#stop(forged(`the answer to use ${n}`));
    if (answer.kind !== "denial" && answer.value.state === "unavailable")
      return this.#stop({ kind: "unavailable", what: `the answer to use ${n} (${entry.effect})` });
    return answer;
  }

  #stop(halt: Halt): never {
    this.end(halt);
    return this.#refuse();
  }

  #refuse(): never {
    throw new EffectDeniedError("replay_ended", "the replay of this step goes no further");
  }

  #assertAlive(): void {
    if (this.halt !== undefined) this.#refuse();
  }

  async #turnOf(n: number): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.set(n, resolve));
    void this.#deliver();
    await turn;
    this.#assertAlive();
  }

  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    clearTimeout(this.#stall);
    for (;;) {
      const n = this.#journal.answered[this.#next];
      const wake = n === undefined ? undefined : this.#waiting.get(n);
      if (n === undefined || wake === undefined) break;
      this.#waiting.delete(n);
      this.#next++;
      wake();
      // The action does with this answer what it did then, before it gets the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#delivering = false;
    if (this.#waiting.size > 0 && this.halt === undefined) this.#watch();
  }

  /** An answer waits for one that was given earlier and is not asked for: the action does things in another order. */
  #watch(): void {
    this.#stall = setTimeout(() => {
      const n = this.#journal.answered[this.#next] ?? 0;
      const entry = this.#journal.entries.get(n);
      const message = `use ${n} of a handle was answered next, and the action does not make it`;
      this.end(diverged(message, entry === undefined ? null : shownEntry(entry), null));
    }, stallMs);
  }
}

/** Undefined: it is the same use. A request that was erased is not compared. */
function differenceOf(entry: JournalEntry, use: EffectUse): string | undefined {
  if (entry.effect !== use.kind) return "another method";
  const { capabilities } = use;
  const same =
    capabilities.length === entry.capabilities.length &&
    capabilities.every((text, index) => text === entry.capabilities[index]);
  if (!same) return "another capability";
  const { request } = entry;
  if (request?.value.state !== "present" || isRecorded(use.request, request.ref, request.value))
    return undefined;
  return "another request";
}

function deliver(answer: JournalAnswer): unknown {
  if (answer.kind === "denial") throw new EffectDeniedError(answer.code, answer.message);
  const value = answer.value.state === "present" ? answer.value.value : null;
  if (answer.kind === "answer") return Object.freeze(value);
  const message = isJsonObject(value) ? value["message"] : undefined;
  throw new EffectFailedError(answer.code, typeof message === "string" ? message : answer.code);
}

function diverged(message: string, recorded: JsonValue, replayed: JsonValue): Halt {
  return { kind: "diverged", divergence: { kind: "effect", message, recorded, replayed } };
}

/** @param what e.g. "the answer to use 2" */
export function forged(what: string): Halt & { readonly kind: "diverged" } {
  const message = `${what} is not what was committed to: its bytes were changed`;
  return { kind: "diverged", divergence: { kind: "journal", message, recorded: null, replayed: null } };
}

function shownUse({ kind, capabilities, request }: EffectUse): JsonValue {
  return { effect: kind, capabilities: [...capabilities], request: shownValue(request) };
}

function shownEntry({ effect, capabilities, request }: JournalEntry): JsonValue {
  const asked = request?.value.state === "present" ? shownValue(request.value.value) : null;
  return { effect, capabilities: [...capabilities], request: asked };
}
