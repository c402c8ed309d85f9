/** Why an evaluation stopped; `&&`, `||`, `all` and `exists` may still decide without the part that failed. */
export class CelFailure extends Error {
  constructor(
    message: string,
    /** 0-based index into the expression; set by the innermost part that failed. */
    readonly offset?: number,
  ) {
    super(message);
  }
}

/** The evaluation cost too much. Never absorbed: an attacker would only have to hide it behind `|| true`. */
export class CelExhausted extends Error {}

/**
 * Work that one evaluation may do. CEL always ends, but nested loops over data, joined strings and lists
 * doubled again and again grow without bound: `[x].map(a, a + a).map(a, a + a)…` is 2^n in n characters.
 * One unit is about one small step; 16 characters of text count as one.
 */
export class Budget {
  #left: number;

  constructor(units: number) {
    this.#left = units;
  }

  charge(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new CelExhausted();
  }

  chargeText(characters: number): void {
    this.charge(1 + (characters >>> 4));
  }
}
