/** What one bench is, and what it tells. */

/** The same thing measured once in every round; peers of one bench are measured in turn within a round. */
export interface Measurement {
  readonly what: string;
  /** `ns`, `us`, `ms`, `s`, `/s`, `MiB`, `bytes`, … */
  readonly unit: string;
  /** One value a round, in order. */
  readonly values: readonly number[];
}

/** One measurement held against another of the same run. */
export interface Comparison {
  readonly what: string;
  /** A ratio of medians, unless `unit` says otherwise. */
  readonly value: number;
  readonly unit?: string;
  /** Absent where a figure is published and no more. */
  readonly target?: { readonly at: "most" | "least"; readonly value: number };
}

export interface Report {
  readonly measurements: readonly Measurement[];
  readonly comparisons: readonly Comparison[];
  /** How many answers were checked against an oracle or a count while it was measured. */
  readonly checked: number;
  /** What a reader has to know to trust the figures: sizes, what is left out, what could not run here. */
  readonly notes: readonly string[];
}

export interface BenchOptions {
  /** Small sizes and two rounds: shows that the bench runs and that its answers are right, and measures nothing. */
  readonly short: boolean;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** Says on standard error what is being done. */
  readonly say: (line: string) => void;
}

export interface Bench {
  readonly name: string;
  /** One line for the list of benches. */
  readonly title: string;
  /** @throws when an answer is wrong: a figure for a wrong answer is worth nothing. */
  run(options: BenchOptions): Promise<Report>;
}
