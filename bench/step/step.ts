import type { Bench, Comparison, Measurement, Report } from "../harness/bench.js";
import { atLeast, atMost, median, ratio } from "../harness/statistics.js";
import { syncsPerStep } from "./count-syncs.js";
import { guardedSteps, type GuardedSteps } from "./guarded.js";
import { limitOnThread, limitOnWorker, type StepSource } from "./limit.js";
import { type Load, load } from "./load.js";
import { stepsWithoutStore } from "./no-store.js";

const boundless = "guarded step, a store that takes no time";

const wanted: Readonly<Record<number, number>> = { 1: 0.75, 64: 0.5, 256: 0.5 };

/** A whole durable step that does nothing, against the same rows and waits with nothing else. */
export const step: Bench = {
  name: "step",
  title: "a durable guarded step against the bare rows and waits of the store",
  run: async ({ short, folder, say }): Promise<Report> => {
    const rounds = short ? 2 : 7;
    const ms = short ? 100 : 2_000;
    const measurements: Measurement[] = [];
    const comparisons: Comparison[] = [];
    let checked = 0;
    const syncs = syncsPerStep(folder);
    if (syncs !== undefined && syncs < 2)
      throw new Error(`a step waits for the disk ${syncs} times, not twice`);
    for (const callers of [1, 64, 256]) {
      say(`${callers} callers`);
      const guarded = await guardedSteps(folder, `guarded-${callers}`);
      const sources: Record<string, StepSource> = {
        "limit, on the calling thread": limitOnThread(folder, `thread-${callers}`),
        "limit, on a thread of its own": limitOnWorker(folder, `worker-${callers}`),
        "guarded step": guarded,
        [boundless]: await stepsWithoutStore(),
      };
      const loads = await loadInTurn(sources, { callers, rounds, ms });
      await assertRecorded(guarded);
      checked += guarded.completed;
      for (const source of Object.values(sources)) await source.close();
      const rates = [...loads].map(([what, all]) => figures(what, callers, all));
      measurements.push(...rates.flatMap(({ rate, p99 }) => [rate, p99]));
      comparisons.push(...against(rates, callers));
    }
    return {
      measurements,
      comparisons,
      checked,
      notes: [
        "A step is a context, a decision, two events and a wait, the action, one event and a wait; limits write three rows of 414 bytes with the same waits.",
        syncs === undefined
          ? "How often a step waits for the disk was not counted: there is no strace here."
          : `A step of one caller made ${syncs.toFixed(2)} calls of fsync, counted from outside: its two waits, and its part in moving the log into the database.`,
        "A store that takes no time keeps nothing either: what is left is the guard, deciding and making records on one thread. It is no way to run, and the most that any store could give.",
        "Each guarded step was checked to have completed, and its events were counted in the log afterwards (where there is one).",
      ],
    };
  },
};

interface Figures {
  readonly rate: Measurement;
  readonly p99: Measurement;
}

async function loadInTurn(
  sources: Readonly<Record<string, StepSource>>,
  { callers, rounds, ms }: { callers: number; rounds: number; ms: number },
): Promise<Map<string, Load[]>> {
  const loads = new Map<string, Load[]>();
  // A step is many functions: with one caller the compiler is done with them after some seconds.
  for (const source of Object.values(sources)) await load(source, callers, ms * 1.5);
  const names = Object.keys(sources);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const what = names[(turn + round) % names.length] ?? "";
      const source = sources[what];
      if (source === undefined) continue;
      loads.set(what, [...(loads.get(what) ?? []), await load(source, callers, ms)]);
    }
  }
  return loads;
}

function figures(what: string, callers: number, loads: readonly Load[]): Figures {
  const name = `${callers} callers: ${what}`;
  return {
    rate: { what: name, unit: "steps/s", values: loads.map(({ perSecond }) => perSecond) },
    p99: { what: `${name}, p99`, unit: "ms", values: loads.map(({ p99Ms }) => p99Ms) },
  };
}

/** One caller is held against the better limit; many against the one that commits for many, the better of the two. */
function against(all: readonly Figures[], callers: number): Comparison[] {
  const named = (what: string) => all.find(({ rate }) => rate.what === `${callers} callers: ${what}`);
  const [guarded, bound] = [named("guarded step"), named(boundless)];
  const limits = all.filter((each) => each !== guarded && each !== bound);
  const [best] = limits.sort((a, b) => median(b.rate.values) - median(a.rate.values));
  if (guarded === undefined || bound === undefined || best === undefined)
    throw new Error("nothing was measured");
  return [
    ratio(guarded.rate, best.rate, atLeast(wanted[callers] ?? 0)),
    ratio(guarded.p99, best.p99, atMost(2)),
    ratio(bound.rate, best.rate),
  ];
}

/** Every step that was said to be done stands in the log with its three events. */
async function assertRecorded({ pipeline, completed }: GuardedSteps): Promise<void> {
  for (const event of ["step_execution_requested", "step_execution_authorized", "step_execution_completed"]) {
    let count = 0;
    let after = 0;
    for (;;) {
      const events = await pipeline.audit.getEvents({ event, after, limit: 10_000 });
      count += events.length;
      const last = events.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
    if (count !== completed)
      throw new Error(`${completed} steps were completed, and ${count} have \`${event}\``);
  }
}
