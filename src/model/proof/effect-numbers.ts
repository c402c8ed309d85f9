/**
 * Which uses of handles a request has attempted and had answered, by their number. Numbers are given out in
 * order, so nearly all of it is one count: a step of a million uses costs no more than one of three.
 */
export class EffectNumbers {
  /** All up to this one were answered. */
  #through: number;
  /** The others; made when there is one, since most steps never have two uses at once. */
  #beyond: Map<number, "attempted" | "answered"> | undefined;
  /** Whether the one after them was attempted, and nothing beyond it ever was. */
  #isNextAttempted = false;

  /** @param through all up to this one were answered. */
  constructor(through = 0) {
    this.#through = through;
  }

  /** Where the count alone says it all; undefined when some are open, or were answered out of turn. */
  get settled(): number | undefined {
    return this.#isNextAttempted || (this.#beyond !== undefined && this.#beyond.size > 0)
      ? undefined
      : this.#through;
  }

  at(n: number): "attempted" | "answered" | undefined {
    if (n <= this.#through) return "answered";
    if (n === this.#through + 1 && this.#isNextAttempted) return "attempted";
    return this.#beyond?.get(n);
  }

  attempt(n: number): void {
    if (n === this.#through + 1 && (this.#beyond?.size ?? 0) === 0) this.#isNextAttempted = true;
    else this.#others().set(n, "attempted");
  }

  answer(n: number): void {
    if (n === this.#through + 1 && (this.#beyond?.size ?? 0) === 0) {
      this.#isNextAttempted = false;
      this.#through = n;
      return;
    }
    const beyond = this.#others();
    beyond.set(n, "answered");
    while (beyond.get(this.#through + 1) === "answered") beyond.delete(++this.#through);
  }

  #others(): Map<number, "attempted" | "answered"> {
    const beyond = (this.#beyond ??= new Map<number, "attempted" | "answered">());
    if (this.#isNextAttempted) beyond.set(this.#through + 1, "attempted");
    this.#isNextAttempted = false;
    return beyond;
  }
}
