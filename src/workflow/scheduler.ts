import type { StepDefinition } from "./definition.js";

/**
 * Runs steps as soon as what they need has ended, at most `concurrency` at a time, in the given order where there is
 * a choice; after `stop` nothing further starts. When `perform` rejects, nothing further starts either, and `run`
 * rejects with that once the others have ended.
 */
export class Scheduler {
  /** In the order of one step at a time: a step's rank is its place. */
  readonly #steps: readonly StepDefinition[];
  readonly #ranks: ReadonlyMap<string, number>;
  /** Ranks of the steps that need the one of this rank, once for each time that they say so. */
  readonly #dependents: number[][];
  /** How many of a step's needs have not ended. */
  readonly #unmet: number[];
  /** Ranks of the steps that may start, the last first. */
  readonly #ready: number[] = [];
  readonly #begun = new Set<number>();
  readonly #concurrency: number;
  readonly #perform: (step: StepDefinition) => Promise<void>;
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
    this.#steps = steps;
    this.#ranks = new Map(steps.map(({ id }, rank) => [id, rank]));
    this.#dependents = steps.map(() => []);
    this.#concurrency = concurrency;
    this.#perform = perform;
    for (const id of ended) {
      const rank = this.#ranks.get(id);
      if (rank !== undefined) this.#begun.add(rank);
    }
    this.#unmet = steps.map(({ needs }, rank) => {
      const unmet = needs.map((need) => this.#rankOf(need)).filter((need) => !this.#begun.has(need));
      for (const need of unmet) this.#dependents[need]?.push(rank);
      return unmet.length;
    });
    for (let rank = steps.length - 1; rank >= 0; rank--)
      if (this.#unmet[rank] === 0 && !this.#begun.has(rank)) this.#ready.push(rank);
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
    return this.#steps.filter((_, rank) => !this.#begun.has(rank));
  }

  #pump(): void {
    while (this.#active < this.#concurrency) {
      const rank = this.#ready.at(-1);
      if (rank === undefined || rank > this.#last) break;
      this.#ready.pop();
      this.#start(rank);
    }
    if (this.#active === 0) this.#finish();
  }

  #rankOf(id: string): number {
    return this.#ranks.get(id) ?? Infinity;
  }

  #start(rank: number): void {
    this.#active++;
    this.#begun.add(rank);
    const done = () => {
      this.#active--;
      this.#meet(rank);
      this.#pump();
    };
    this.#perform(this.#steps[rank] as StepDefinition).then(done, (error: unknown) => {
      this.#failure ??= { error };
      this.stop();
      done();
    });
  }

  /** A step has ended: those that waited for nothing else may start. */
  #meet(ended: number): void {
    for (const rank of this.#dependents[ended] as number[]) {
      const unmet = (this.#unmet[rank] as number) - 1;
      this.#unmet[rank] = unmet;
      // One that ended in an earlier run may need one that is done again: it is not done again itself.
      if (unmet > 0 || this.#begun.has(rank)) continue;
      this.#ready.splice(this.#placeOf(rank), 0, rank);
    }
  }

  /** Where a rank belongs among those that may start. */
  #placeOf(rank: number): number {
    let [from, to] = [0, this.#ready.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#ready[middle] as number) > rank) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
