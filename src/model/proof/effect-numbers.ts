/**
 * Which uses of handles a request has attempted and had answered, by their number. Numbers are given out in
 * order, so nearly all of it is one count: a step of a million uses costs no more than one of three.
 */
export class EffectNumbers {
  /** All up to this one were answered. */
  #through: number;
  readonly #beyond = new Map<number, "attempted" | "answered">();

  /** @param through all up to this one were answered. */
  constructor(through = 0) {
    this.#through = through;
  }

  /** Where the count alone says it all; undefined when some are open, or were answered out of turn. */
  get settled(): number | undefined {
    return this.#beyond.size === 0 ? this.#through : undefined;
  }

  at(n: number): "attempted" | "answered" | undefined {
    return n <= this.#through ? "answered" : this.#beyond.get(n);
  }

  attempt(n: number): void {
    this.#beyond.set(n, "attempted");
  }

  answer(n: number): void {
    this.#beyond.set(n, "answered");
    while (this.#beyond.get(this.#through + 1) === "answered") this.#beyond.delete(++this.#through);
  }
}
