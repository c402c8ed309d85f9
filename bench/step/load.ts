import { quantile } from "../harness/statistics.js";
import type { StepSource } from "./limit.js";

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps `callers` steps in flight for `ms`; each caller takes its next step when its last one is done. */
export async function load(source: StepSource, callers: number, ms: number): Promise<Load> {
  const times: number[] = [];
  const start = performance.now();
  const until = start + ms;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let from = performance.now(); from < until;) {
        await source.step();
        const to = performance.now();
        times.push(to - from);
        from = to;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1_000;
  return { perSecond: times.length / seconds, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}
