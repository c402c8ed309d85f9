import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { canonicalJson } from "../../src/model/canonical.js";
import { changesOf } from "../../src/model/change.js";
import { createPipeline } from "../../src/pipeline.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import type { Bench } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, median, ratio } from "../harness/statistics.js";
import { bindingsPerAgent, grantOf } from "./grants.js";
import type { Built } from "./index-builder.js";
import { contractEvents, eventsOf } from "./synapse.js";

const builder = join(import.meta.dirname, "index-builder.js");

/** What it takes to have many bindings at hand: to read them into memory, and to keep them there. */
export const bindings: Bench = {
  name: "bindings",
  title: "An index of 1,000,000 bindings: building it, keeping it, opening a database that holds them",
  run: async ({ short, folder, say }) => {
    const count = short ? 10_000 : 1_000_000;
    const rounds = short ? 2 : 5;
    const built = { synapse: [] as Built[], simple: [] as Built[] };
    const build = (contender: keyof typeof built): Built => {
      say(`${contender}: building`);
      const made = builtBy(contender, count);
      built[contender].push(made);
      return made;
    };
    const [ours, theirs] = await inRounds(rounds, [
      { what: "synapse: events folded into a state", unit: "ms", measure: () => build("synapse").ms },
      { what: "simple: patterns split and filed", unit: "ms", measure: () => build("simple").ms },
    ]);
    if (ours === undefined || theirs === undefined) throw new Error("nothing was measured");
    const perBinding = (made: readonly Built[], of: (each: Built) => number) =>
      made.map((each) => of(each) / count);
    const memory = {
      what: "synapse: memory a binding",
      unit: "bytes",
      values: perBinding(built.synapse, ({ bytes }) => bytes),
    };
    const beyond = perBinding(built.synapse, ({ bytes, stringBytes }) => bytes - stringBytes);
    const opening = await measureOpening(join(folder, "bindings.db"), count, rounds, say);
    return {
      measurements: [
        ours,
        theirs,
        memory,
        {
          what: "simple: memory a binding",
          unit: "bytes",
          values: perBinding(built.simple, ({ bytes }) => bytes),
        },
        opening,
      ],
      comparisons: [
        ratio(ours, theirs, atMost(2), "build: synapse / simple"),
        {
          what: "synapse: memory a binding beyond its id, capability and agent",
          value: median(beyond),
          unit: "bytes",
          target: { at: "most", value: 400 },
        },
        {
          what: "opening / folding the same events in memory",
          value: median(opening.values) / median(ours.values),
        },
      ],
      checked: rounds * 2 + opening.values.length,
      notes: [
        `${count.toLocaleString("en")} bindings of bench \`decide\`, each built in a process of its own, from objects as a store gives them. ` +
          "What is used up by counters is kept too, and no part of the time.",
        "Memory is the heap after a full collection, less what it was before: all of the state, not of an index alone.",
        "Opening is `createPipeline` on a database of these events; each was found to hold the last binding.",
      ],
    };
  },
};

function builtBy(contender: string, count: number): Built {
  const args = ["--expose-gc", "--max-old-space-size=8192", builder, contender, String(count)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Built;
}

async function measureOpening(
  database: string,
  count: number,
  rounds: number,
  say: (line: string) => void,
): Promise<{ what: string; unit: string; values: readonly number[] }> {
  say("making a database");
  await makeDatabase(database, count);
  const last = grantOf(count / bindingsPerAgent - 1, bindingsPerAgent - 1);
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    say("opening");
    const start = performance.now();
    const pipeline = await createPipeline({ database, create: false });
    values.push(performance.now() - start);
    const held = await pipeline.bindingManager.getBindings(last.agent, { all: true });
    await pipeline.close();
    if (!held.some(({ id }) => id === last.id)) throw new Error("a binding is missing");
  }
  return { what: "opening a database that holds them", unit: "ms", values };
}

async function makeDatabase(database: string, count: number): Promise<void> {
  await (await createPipeline({ database })).close();
  const driver = new SqliteDriver(database, { create: false });
  let seq = driver.treeHead().size;
  const agents = count / bindingsPerAgent;
  for (let from = -1; from < agents; from += 2_000) {
    const tx = driver.begin();
    if (tx === undefined) throw new Error("somebody else writes");
    const first = seq;
    const made = from < 0 ? contractEvents() : [];
    for (let a = Math.max(0, from); a < Math.min(from + 2_000, agents); a++)
      for (let k = 0; k < bindingsPerAgent; k++) made.push(...eventsOf(grantOf(a, k), 0));
    for (const each of made) {
      const event = { ...each, seq: ++seq, id: `evt-${seq}` };
      tx.append(event, canonicalJson(event), changesOf(event));
    }
    if (seq !== first) tx.commit();
  }
  driver.close();
}
