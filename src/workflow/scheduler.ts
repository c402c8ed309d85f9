import type { StepDefinition } from "./definition.js";

/**
 * Runs steps as soon as what they need has ended, at most `concurrency` at a time, in the order of the
 * definition where there is a choice; after `stop` nothing further starts. When `perform` rejects, nothing further
 * starts either, and `run` rejects with that once the others have ended.
 */
export class Scheduler {
  readonly #waiting: StepDefinition[];
  readonly #ended: Set<string>;
  readonly #concurrency: number;
  readonly #perform: (step: StepDefinition) => Promise<void>;
  #active = 0;
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;
  #finish: () => void = () => undefined;

  constructor(
    steps: readonly StepDefinition[],
    concurrency: number,
    perform: (step: StepDefinition) => Promise<void>,
    /** Ids of steps that ended before. */
    ended: Iterable<string> = [],
  ) {
    this.#ended = new Set(ended);
    this.#waiting = [...steps];
    this.#concurrency = concurrency;
    this.#perform = perform;
  }

  /** Lets running steps end, and starts no others. */
  stop(): void {
    this.#stopped = true;
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
    while (!this.#stopped && this.#active < this.#concurrency) {
      const index = this.#waiting.findIndex((step) => step.needs.every((need) => this.#ended.has(need)));
      const step = this.#waiting[index];
      if (step === undefined) break;
      this.#waiting.splice(index, 1);
      this.#start(step);
    }
    if (this.#active === 0) this.#finish();
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
