import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Comparison, Measurement, Report } from "../harness/bench.js";
import { atLeast, atMost, median, quantile, ratio } from "../harness/statistics.js";
import { openPaths, type Path, recordedCalls } from "./paths.js";

interface Round {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

const kib = 1024;

/** What the guard adds to a call of a tool, beside gateways that guard nothing. */
export const gateway: Bench = {
  name: "gateway",
  title: "a tool call through the gateway against direct, and against gateways without a guard",
  run: async ({ short, folder, say }): Promise<Report> => {
    const paths = await openPaths(folder);
    if (paths === undefined) {
      const notes = ["The SDK is not installed: `npm ci --prefix bench`. Nothing was measured."];
      return { measurements: [], comparisons: [], checked: 0, notes };
    }
    const measurements: Measurement[] = [];
    const comparisons: Comparison[] = [];
    const notes: string[] = [];
    let checked = 0;
    const rounds = short ? 2 : 5;
    try {
      for (const bytes of short ? [kib] : [kib, 256 * kib]) {
        const calls = short ? 20 : bytes === kib ? 500 : 60;
        const seen = new Map<Path, Round[]>();
        const waits: number[] = [];
        const able: Path[] = [];
        for (const path of paths) {
          // A gateway is many functions, and runs for long: the compiler is to be done with them.
          const refusal = await takes(path, bytes, short ? 4 : 2 * calls);
          if (refusal === undefined) able.push(path);
          else notes.push(`${path.name} does not take ${bytes / kib} KiB: ${refusal}`);
        }
        for (let round = 0; round < rounds; round++) {
          waits.push(durabilityWaitMs(folder));
          for (let turn = 0; turn < able.length; turn++) {
            const path = able[(turn + round) % able.length];
            if (path === undefined) continue;
            say(`${bytes / kib} KiB, round ${round + 1}: ${path.name}`);
            const measured = await measure(path, bytes, calls);
            seen.set(path, [...(seen.get(path) ?? []), measured.round]);
            checked += measured.calls;
          }
        }
        const told = tell(`${bytes / kib} KiB`, seen, waits);
        measurements.push(...told.measurements);
        comparisons.push(...told.comparisons);
      }
      await paths.find(({ name }) => name === "synapse gateway")?.close();
      const counts = recordedCalls(folder);
      notes.push(
        `Of the guarded calls the log holds ${counts.join(", ")} as requested, authorised and completed.`,
      );
      if (new Set(counts).size !== 1) throw new Error(`calls are missing in the log: ${counts.join(", ")}`);
    } finally {
      for (const path of paths) await path.close();
    }
    return {
      measurements,
      comparisons,
      checked,
      notes: [
        "The server is `server-everything`, its tool `echo`; the client is that of the SDK. mcp-proxy and supergateway have no front on standard streams: theirs is HTTP.",
        ...notes,
      ],
    };
  },
};

/** Warms a path up; says why it does not take such a message. */
async function takes(path: Path, bytes: number, calls: number): Promise<string | undefined> {
  try {
    await measure(path, bytes, calls);
    return undefined;
  } catch (error) {
    // One line of it: some answer with a page.
    return (error instanceof Error ? error.message : String(error)).split(/[\n<]/)[0]?.trim();
  }
}

async function measure(path: Path, bytes: number, calls: number): Promise<{ round: Round; calls: number }> {
  const message = "x".repeat(bytes);
  const call = async () => {
    const answer = await path.call(message);
    if (!answer.endsWith(message))
      throw new Error(`${path.name} gave another answer: ${answer.slice(0, 100)}`);
  };
  const times: number[] = [];
  for (let n = 0; n < calls; n++) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  let left = 2 * calls;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left-- > 0) await call();
    }),
  );
  const perSecond = (2 * calls) / ((performance.now() - start) / 1_000);
  return { round: { p50Ms: median(times), p99Ms: quantile(times, 0.99), perSecond }, calls: 3 * calls };
}

/** Writing 400 bytes to the end of a file and waiting until they are on the disk: the median of a hundred. */
function durabilityWaitMs(folder: string): number {
  const file = openSync(join(folder, "waits"), "a");
  const bytes = Buffer.alloc(400, 65);
  const times = Array.from({ length: 100 }, () => {
    const start = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    return performance.now() - start;
  });
  closeSync(file);
  return median(times);
}

function tell(size: string, seen: ReadonlyMap<Path, readonly Round[]>, waits: readonly number[]) {
  const of = (name: string, member: keyof Round, unit: string, what: string): Measurement | undefined => {
    const rounds = [...seen].find(([path]) => path.name.startsWith(name))?.[1];
    return rounds === undefined
      ? undefined
      : { what: `${size}: ${name}, ${what}`, unit, values: rounds.map((round) => round[member]) };
  };
  const p50 = (name: string) => of(name, "p50Ms", "ms", "p50");
  const rate = (name: string) => of(name, "perSecond", "/s", "16 in flight");
  const measurements: Measurement[] = [{ what: `${size}: one durability wait`, unit: "ms", values: waits }];
  for (const { name } of seen.keys())
    measurements.push(
      ...[p50(name), of(name, "p99Ms", "ms", "p99"), rate(name)].filter((each) => each !== undefined),
    );
  const added = (name: string) => {
    const [one, direct] = [p50(name), p50("direct")];
    return one === undefined || direct === undefined ? NaN : median(one.values) - median(direct.values);
  };
  const allowed = added("SDK gateway") + 1.2 * 2 * median(waits);
  const comparisons: Comparison[] = [
    {
      what: `${size}: added p50, against the SDK gateway's and 1.2 x two durability waits`,
      value: added("synapse gateway"),
      unit: "ms",
      target: { at: "most", value: allowed },
    },
  ];
  const [ours, theirs] = [rate("synapse gateway"), rate("SDK gateway")];
  if (ours !== undefined && theirs !== undefined) comparisons.push(ratio(ours, theirs, atLeast(0.7)));
  for (const name of ["mcp-proxy", "supergateway"]) {
    const [one, other] = [p50("synapse gateway"), p50(name)];
    if (one !== undefined && other !== undefined) comparisons.push(ratio(one, other, atMost(1)));
    const otherRate = rate(name);
    if (ours !== undefined && otherRate !== undefined) comparisons.push(ratio(ours, otherRate, atLeast(1)));
  }
  return { measurements, comparisons };
}
