import type { Comparison, Measurement } from "./bench.js";

/** The value that at least half of the values are not above. @throws RangeError for no values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param share 0 … 1: 0.99 for the value that 99 % of the values are not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError("no values");
  return value;
}

/** The ratio of the medians of two measurements of one run. */
export function ratio(
  one: Measurement,
  to: Measurement,
  target?: Comparison["target"],
  what = `${one.what} / ${to.what}`,
): Comparison {
  const value = median(one.values) / median(to.values);
  return target === undefined ? { what, value } : { what, value, target };
}

export const atMost = (value: number): Comparison["target"] => ({ at: "most", value });
export const atLeast = (value: number): Comparison["target"] => ({ at: "least", value });

export function meets({ value, target }: Comparison): boolean | undefined {
  if (target === undefined) return undefined;
  return target.at === "most" ? value <= target.value : value >= target.value;
}
