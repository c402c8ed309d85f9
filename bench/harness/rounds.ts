import type { Measurement } from "./bench.js";

/** Something that is measured once a round. */
export interface Contender {
  readonly what: string;
  readonly unit: string;
  /** Measures once. Whatever has to be made ready is made ready before the clock starts. */
  measure(round: number): number | Promise<number>;
}

/**
 * Measures each contender once a round, so that whatever slows the machine down for a while slows all of them. The
 * order turns by one each round: nobody always follows the one that filled the caches.
 */
export async function inRounds(rounds: number, contenders: readonly Contender[]): Promise<Measurement[]> {
  const values = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      values[index]?.push(await contender.measure(round));
    }
  }
  return contenders.map(({ what, unit }, index) => ({ what, unit, values: values[index] ?? [] }));
}
