import { join } from "node:path";
import { whatIf as ask } from "../../src/policy/what-if.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { bindingsPerAgent, grantOf } from "../decide/grants.js";
import { questionsFor } from "../decide/questions.js";
import { Stopwatch } from "../decide/stopwatch.js";
import { Synapse } from "../decide/synapse.js";
import type { Bench } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { ratio } from "../harness/statistics.js";
import { agents, makeLog, policy } from "./request-log.js";

export const whatIf: Bench = {
  name: "what-if",
  title: "What another policy would have decided, by how many requests the log holds",
  run: async ({ short, folder, say }) => {
    const sizes = short ? [1_000, 2_000] : [20_000, 200_000];
    const logs: { readonly requests: number; readonly database: string }[] = [];
    for (const requests of sizes) {
      say(`${requests} requests: making a log`);
      const database = join(folder, `${requests}.db`);
      await makeLog(database, requests);
      logs.push({ requests, database });
    }
    say("measuring");
    let checked = 0;
    const watch = decisions();
    const measurements = await inRounds(short ? 2 : 5, [
      ...logs.map(({ requests, database }) => ({
        what: `what-if a request, log of ${requests.toLocaleString("en")}`,
        unit: "ns",
        measure: async () => {
          const image = openImage(database);
          const start = performance.now();
          const report = await ask(image, policy("f1*/**"));
          const ms = performance.now() - start;
          image.close();
          if (report.newly_denied + report.unchanged !== requests || report.newly_denied === 0)
            throw new Error(`what-if counted ${JSON.stringify(report)}`);
          checked += requests;
          return (ms * 1e6) / requests;
        },
      })),
      {
        what: "a decision",
        unit: "ns",
        measure: (round: number) => watch.measure(round, short ? 10 : 250),
      },
    ]);
    const [few, many, decision] = measurements;
    if (few === undefined || many === undefined || decision === undefined)
      throw new Error("nothing was measured");
    return {
      measurements,
      comparisons: [ratio(many, few, undefined, "ten times the log, a request"), ratio(many, decision)],
      checked,
      notes: [
        "From the database to the report: events are read, followed by the policy in question, and every request is decided " +
          "again. Every tenth has a constraint on its parameters, which are read too.",
      ],
    };
  },
};

/** As many agents as the log has, asked as in bench `decide`. */
function decisions(): Stopwatch {
  const synapse = new Synapse();
  for (let a = 0; a < agents; a++) for (let k = 0; k < bindingsPerAgent; k++) synapse.add(grantOf(a, k));
  const watch = new Stopwatch(synapse, questionsFor(agents, 5_000, 1));
  watch.warmUp();
  return watch;
}
