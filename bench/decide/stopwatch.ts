import type { Decider } from "./contender.js";
import type { Question } from "./questions.js";

/** Asks one decider the same questions again and again, and looks at every answer. */
export class Stopwatch {
  readonly decider: Decider;
  asked = 0;
  readonly #ask: (index: number) => boolean;
  readonly #right: Uint8Array;
  /** Between two looks at the clock. */
  #batch = 1;
  #wrongAllows = 0;
  #wrongDenials = 0;

  constructor(decider: Decider, questions: readonly Question[]) {
    this.decider = decider;
    this.#ask = decider.asker(questions);
    this.#right = Uint8Array.from(questions, ({ allow }) => (allow ? 1 : 0));
  }

  /** Every question once, or for a second and a half. @throws for a wrong answer of one who has to be exact. */
  warmUp(): number {
    const start = performance.now();
    let done = 0;
    for (; done < this.#right.length && performance.now() - start < 1_500; done++) this.#one(done);
    if (done === this.#right.length) this.#batch = 500;
    return this.decider.exact ? done : 0;
  }

  /** @returns ns a decision, over `ms`. */
  measure(round: number, ms: number): number {
    const count = this.#right.length;
    let index = (round * 7_919) % count;
    let done = 0;
    const start = performance.now();
    let now = start;
    do {
      for (let left = this.#batch; left > 0; left--) {
        this.#one(index);
        index = index + 1 === count ? 0 : index + 1;
      }
      done += this.#batch;
      now = performance.now();
    } while (now - start < ms);
    return ((now - start) * 1e6) / done;
  }

  wrongAnswers(): string {
    const percent = (count: number): string => `${((100 * count) / this.asked).toFixed(1)} %`;
    const { what } = this.decider;
    return `${what} allows ${percent(this.#wrongAllows)} wrongly and denies ${percent(this.#wrongDenials)} wrongly`;
  }

  #one(index: number): void {
    const allows = this.#ask(index);
    this.asked++;
    if (allows === (this.#right[index] === 1)) return;
    if (this.decider.exact) throw new Error(`${this.decider.what} answers question ${index} wrongly`);
    if (allows) this.#wrongAllows++;
    else this.#wrongDenials++;
  }
}
