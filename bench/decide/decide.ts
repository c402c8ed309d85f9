import { decideNaively } from "../../tests/oracle/decide-oracle.js";
import { parseRequirement } from "../../src/model/capability/index.js";
import type { Bench, BenchOptions, Measurement, Report } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, median, ratio } from "../harness/statistics.js";
import { agt } from "./agt.js";
import { casbin } from "./casbin.js";
import { cedar } from "./cedar.js";
import type { Loadable, Rival } from "./contender.js";
import { bindingsPerAgent, grantOf, nowMs } from "./grants.js";
import { type Question, questionsFor } from "./questions.js";
import { Simple } from "./simple.js";
import { answerOf, contractEvents, eventsOf, requestOf, Synapse } from "./synapse.js";
import { Stopwatch } from "./stopwatch.js";

/** Building one set of policies an agent takes milliseconds each: beyond this many bindings it is not waited for. */
const rivals: readonly { readonly load: () => Promise<Rival>; readonly bindingsMax: number }[] = [
  { load: agt, bindingsMax: Infinity },
  { load: cedar, bindingsMax: 10_000 },
  { load: casbin, bindingsMax: 10_000 },
];

export const decide: Bench = {
  name: "decide",
  title: "One decision among 10 bindings an agent, 100 to 1,000,000 bindings in all",
  run: async (options) => {
    const sizes = options.short ? [100, 1_000] : [100, 1_000, 10_000, 100_000, 1_000_000];
    const reports: Report[] = [];
    for (const size of sizes) reports.push(await measured(size, options));
    return {
      measurements: reports.flatMap(({ measurements }) => measurements),
      comparisons: reports.flatMap(({ comparisons }) => comparisons),
      checked: reports.reduce((sum, { checked }) => sum + checked, 0),
      notes: [
        "70 % of the questions are allowed. Every agent has five folders, five bindings of other shapes, all with an " +
          "expiry (one in 23 is past), two of the ten with a constraint: not_before, max_uses, rate, except, params, when in turn.",
        "Synapse is measured from the text of a capability: it is parsed and checked each time. `simple` splits it.",
        ...reports.flatMap(({ notes }) => notes),
      ],
    };
  },
};

async function measured(bindings: number, { short, say }: BenchOptions): Promise<Report> {
  const agents = bindings / bindingsPerAgent;
  const questions = questionsFor(agents, short ? 5_000 : 200_000, bindings);
  const notes: string[] = [];
  say(`${bindings} bindings: building`);
  const synapse = new Synapse();
  const simple = new Simple();
  const others = await rivalsFor(bindings, notes);
  for (let a = 0; a < agents; a++)
    for (let k = 0; k < bindingsPerAgent; k++)
      for (const each of [synapse, simple, ...others]) each.add(grantOf(a, k));
  for (const each of others) await each.ready();

  say(`${bindings} bindings: checking`);
  let checked =
    checkAgainstOracle(questions.slice(0, short ? 200 : 1_000)) + checkAnswers(synapse, questions);
  const watches = [synapse, simple, ...others].map((each) => {
    const watch = new Stopwatch(each, questions);
    checked += watch.warmUp();
    return watch;
  });
  say(`${bindings} bindings: measuring`);
  const at = ` @ ${bindings.toLocaleString("en")}`;
  const measurements = await inRounds(
    short ? 2 : 9,
    watches.map((watch) => ({
      what: watch.decider.what + at,
      unit: "ns",
      measure: (round) => watch.measure(round, short ? 10 : 250),
    })),
  );
  const [ours, theirs, ...rest] = measurements as [Measurement, Measurement, ...Measurement[]];
  return {
    measurements,
    comparisons: [
      ratio(ours, theirs, atMost(1.5), `synapse / simple${at}`),
      ...rest.map((other) => {
        if (other.what.startsWith("AGT")) return ratio(ours, other, atMost(1), `synapse / AGT${at}`);
        const times = other.what.startsWith("cedar") ? 20 : 30;
        const what = `${other.what.split(" ")[0] ?? ""} / synapse${at}`;
        return {
          what,
          value: median(other.values) / median(ours.values),
          target: { at: "least" as const, value: times },
        };
      }),
    ],
    checked: checked + watches.reduce((sum, { asked, decider }) => sum + (decider.exact ? asked : 0), 0),
    notes: [
      ...notes,
      ...watches.flatMap((watch) => (watch.decider.exact ? [] : [`${watch.wrongAnswers()}${at}.`])),
    ],
  };
}

async function rivalsFor(bindings: number, notes: string[]): Promise<Loadable[]> {
  const found: Loadable[] = [];
  for (const { load, bindingsMax } of rivals) {
    const make = await load();
    if (make === undefined) notes.push(`${load.name} is not installed: \`npm ci --prefix bench\` brings it.`);
    else if (bindings <= bindingsMax) found.push(make());
  }
  return found;
}

/** Every answer of the product in full: the binding that allows it, or the reason. @throws for a wrong one. */
function checkAnswers(synapse: Synapse, questions: readonly Question[]): number {
  for (const question of questions) {
    const answer = answerOf(synapse.decide(question));
    if (answer !== question.answer)
      throw new Error(`${JSON.stringify(question)} was answered with ${answer}`);
  }
  return questions.length;
}

/** The expected answers themselves, against the slow decision of the tests, which reads a plain list of events. */
function checkAgainstOracle(questions: readonly Question[]): number {
  for (const question of questions) {
    const a = Number(question.agent.slice("agent".length));
    const log = contractEvents();
    for (let k = 0; k < bindingsPerAgent; k++) log.push(...eventsOf(grantOf(a, k), log.length));
    const answer = decideNaively(log, requestOf(question, parseRequirement(question.capability)), nowMs);
    if (answer !== question.answer)
      throw new Error(`${JSON.stringify(question)} should be answered with ${answer}`);
  }
  return questions.length;
}
