import type { StepDefinition } from "./definition.js";

/**
 * Runs steps as soon as what they need has ended, at most `concurrency` at a time, in the given order where there is
 * a choice; after `stop` nothing further starts. When `perform` rejects, nothing further starts either, and `run`
 * rejects with that once the others have ended.
 */
export class Scheduler {
  readonly #waiting: StepDefinition[];
  readonly #ended: Set<string>;
  readonly #concurrency: number;
  readonly #perform: (step: StepDefinition) => Promise<void>;
  readonly #ranks: ReadonlyMap<string, number>;
  #active = 0;
  /** Steps behind this place do not start any more. */
  #last = Infinity;
  #failure: { readonly error: unknown } | undefined;
  #finish: () => void = () => undefined;

  /** @param steps each behind those that it needs: what one step at a time would do. */
  constructor(
    steps: readonly StepDefinition[],
    concurrency: number,
    perform: (step: StepDefinition) => Promise<void>,
    /** Ids of steps that ended before. */
    ended: Iterable<string> = [],
  ) {
    this.#ended = new Set(ended);
    this.#ranks = new Map(steps.map(({ id }, index) => [id, index]));
    this.#waiting = steps.filter(({ id }) => !this.#ended.has(id));
    this.#concurrency = concurrency;
    this.#perform = perform;
  }

  /** Lets running steps end, and starts no others. */
  stop(): void {
    this.#last = -1;
  }

  /**
   * Starts only what one step at a time would have done before this one: so that what a run comes to does not depend
   * on how much happens at once (SEMANTICS R1).
   */
  stopAfter(id: string): void {
    this.#last = Math.min(this.#last, this.#rankOf(id));
  }

  /** Whether one step at a time would have come to this step. */
  reaches(id: string): boolean {
    return this.#rankOf(id) <= this.#last;
  }

  /** Resolves when nothing runs and nothing more can start; gives the steps that never started. */
  async run(): Promise<readonly StepDefinition[]> {
    await new Promise<void>((resolve) => {
      this.#finish = resolve;
      this.#pump();
    });
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#waiting;
  }

  #pump(): void {
    while (this.#active < this.#concurrency) {
      const index = this.#waiting.findIndex(
        (step) => this.reaches(step.id) && step.needs.every((need) => this.#ended.has(need)),
      );
      const step = this.#waiting[index];
      if (step === undefined) break;
      this.#waiting.splice(index, 1);
      this.#start(step);
    }
    if (this.#active === 0) this.#finish();
  }

  #rankOf(id: string): number {
    return this.#ranks.get(id) ?? Infinity;
  }

  #start(step: StepDefinition): void {
    this.#active++;
    const done = () => {
      this.#active--;
      this.#ended.add(step.id);
      this.#pump();
    };
    this.#perform(step).then(done, (error: unknown) => {
      this.#failure ??= { error };
      this.stop();
      done();
    });
  }
}
