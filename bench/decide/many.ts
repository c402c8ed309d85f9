import type { Bench } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, ratio } from "../harness/statistics.js";
import { agentName, bindingsPerAgent, grantOf } from "./grants.js";
import { type Question, questionsFor } from "./questions.js";
import { Simple } from "./simple.js";
import { Stopwatch } from "./stopwatch.js";
import { Synapse } from "./synapse.js";

const agent = agentName(0);

/** One agent that has the bindings of many, and is asked what these would be asked. */
export const many: Bench = {
  name: "many",
  title: "One decision by how many bindings one agent has",
  run: async ({ short, say }) => {
    const sizes = short ? [10, 1_000] : [10, 1_000, 10_000];
    let checked = 0;
    const watches = sizes.flatMap((bindings) => {
      say(`${bindings} bindings of one agent: building`);
      const [synapse, simple] = [new Synapse(), new Simple()];
      const others = bindings / bindingsPerAgent;
      for (let a = 0; a < others; a++)
        for (let k = 0; k < bindingsPerAgent; k++)
          for (const each of [synapse, simple]) each.add({ ...grantOf(a, k), agent });
      const questions = ofOneAgent(questionsFor(others, short ? 5_000 : 50_000, bindings));
      return [synapse, simple].map((each) => {
        const watch = new Stopwatch(each, questions);
        checked += watch.warmUp();
        return { watch, at: ` @ ${bindings.toLocaleString("en")}` };
      });
    });
    say("measuring");
    const measurements = await inRounds(
      short ? 2 : 7,
      watches.map(({ watch, at }) => ({
        what: watch.decider.what + at,
        unit: "ns",
        measure: (round) => watch.measure(round, short ? 10 : 200),
      })),
    );
    const ours = measurements.filter(({ what }) => what.startsWith("synapse"));
    const [few, ...more] = ours;
    if (few === undefined) throw new Error("nothing was measured");
    return {
      measurements,
      comparisons: more.map((each) => ratio(each, few, atMost(5))),
      checked: checked + watches.reduce((sum, { watch }) => sum + watch.asked, 0),
      notes: [
        "The bindings and questions of bench `decide`, all given to one agent. `simple` compares one binding after the other.",
      ],
    };
  },
};

/** The same questions by one agent who has all the bindings; without those about what only another one has. */
function ofOneAgent(questions: readonly Question[]): Question[] {
  return questions
    .filter(({ agent: asker, capability, answer }) => {
      if (answer !== "no_binding_found") return true;
      const folder = /\/p([0-9]+)\//.exec(capability)?.[1];
      return folder === undefined || agentName(Number(folder)) === asker;
    })
    .map((question) => ({ ...question, agent }));
}
