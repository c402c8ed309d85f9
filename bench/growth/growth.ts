import { statSync } from "node:fs";
import { join } from "node:path";
import { ledgerOf } from "../../src/core/audit.js";
import { parseCapability } from "../../src/model/capability/index.js";
import { decide } from "../../src/model/decide.js";
import { createPipeline } from "../../src/pipeline.js";
import type { Bench, Comparison, Measurement, Report } from "../harness/bench.js";
import { atMost, median } from "../harness/statistics.js";
import { type GuardedSteps, guardedSteps } from "../step/guarded.js";
import { limitOnThread } from "../step/limit.js";
import { load } from "../step/load.js";
import { fill } from "./fill.js";

const rounds = 5;

interface Mark {
  readonly events: number;
  /** Steps/s of one caller, each round against the limit of the same moment. */
  readonly share: number[];
  readonly decisionUs: number[];
  readonly openingMs: number[];
}

/** Whether anything gets slower because much has happened before. */
export const growth: Bench = {
  name: "growth",
  title: "steps, decisions and opening at a thousand to ten million events in the log",
  run: async ({ short, folder, say }): Promise<Report> => {
    const sizes = short ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    const database = join(folder, "log.db");
    const ms = short ? 50 : 1_000;
    const marks: Mark[] = [];
    const limit = limitOnThread(folder, "limit");
    let checked = 0;
    let first = true;
    for (const events of sizes) {
      if (!first) fill(database, events, say);
      say(`at ${events.toLocaleString("en")} events`);
      const mark: Mark = { events, share: [], decisionUs: [], openingMs: await openings(database, first) };
      const guarded = await guardedSteps(folder, "log", { agents: first ? 64 : 0 });
      await load(guarded, 1, ms);
      for (let round = 0; round < rounds; round++) {
        const { perSecond } = await load(guarded, 1, ms);
        mark.share.push(perSecond / (await load(limit, 1, ms)).perSecond);
        mark.decisionUs.push(decisionUs(guarded, short ? 1_000 : 100_000));
      }
      checked += guarded.completed;
      marks.push(mark);
      await guarded.close();
      first = false;
    }
    await limit.close();
    const size = statSync(database).size / 2 ** 30;
    return {
      measurements: marks.flatMap(measurementsOf),
      comparisons: marks.slice(1).flatMap((mark) => against(mark, marks[0] as Mark)),
      checked,
      notes: [
        "A step of one caller is told as a share of what the same rows and waits take alone at that moment, so that a slower moment of the machine is none of the log's.",
        `The log had ${size.toFixed(1)} GiB at the end. Between the marks it is filled by the store itself with copies of a step, in large transactions.`,
      ],
    };
  },
};

async function openings(database: string, isNew: boolean): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < rounds; n++) {
    const start = performance.now();
    const pipeline = await createPipeline({ database: isNew ? ":memory:" : database });
    times.push(performance.now() - start);
    await pipeline.close();
  }
  return times;
}

function decisionUs({ pipeline }: GuardedSteps, times: number): number {
  const ledger = ledgerOf(pipeline.audit);
  const requirement = parseCapability("bench:run:nothing");
  const [state, now] = [ledger.state, ledger.now()];
  const request = {
    workflowId: "w",
    stepId: "s",
    requirements: [requirement],
    ceiling: [requirement],
    params: {},
  };
  const start = performance.now();
  for (let n = 0; n < times; n++) {
    if (!decide({ ...request, agentId: `agent-${n % 64}` }, state, now).allowed)
      throw new Error("it was denied");
  }
  return ((performance.now() - start) * 1_000) / times;
}

function measurementsOf({ events, share, decisionUs, openingMs }: Mark): Measurement[] {
  const at = `${events.toLocaleString("en")} events`;
  return [
    { what: `${at}: a step of one caller, share of the limit`, unit: "x", values: share },
    { what: `${at}: a decision`, unit: "us", values: decisionUs },
    { what: `${at}: opening`, unit: "ms", values: openingMs },
  ];
}

function against(mark: Mark, first: Mark): Comparison[] {
  const at = `at ${mark.events.toLocaleString("en")} events`;
  return [
    {
      what: `a step takes longer ${at}`,
      value: median(first.share) / median(mark.share),
      target: atMost(1.2),
    },
    {
      what: `a decision takes longer ${at}`,
      value: median(mark.decisionUs) / median(first.decisionUs),
      target: atMost(1.2),
    },
  ].map(({ target, ...rest }) => (target === undefined ? rest : { ...rest, target }));
}
