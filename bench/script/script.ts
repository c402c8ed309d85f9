import { SandboxPool } from "../../src/actions/sandbox/pool.js";
import type { Bench } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, ratio } from "../harness/statistics.js";
import { RawScripts } from "./raw.js";

/** A script that uses one handle once, and gives back what it got. */
const code = "return input.n + (await handles.test.call()).n";

export const script: Bench = {
  name: "script",
  title: "A script in a fresh engine with one use of a handle",
  run: async ({ short }) => {
    const scripts = short ? 20 : 400;
    const [pool, raw] = [new SandboxPool(), new RawScripts()];
    let checked = 0;
    const each = async (run: (n: number) => Promise<string>): Promise<number> => {
      const start = performance.now();
      for (let n = 0; n < scripts; n++) {
        const text = await run(n);
        if (text !== String(n + 1)) throw new Error(`script ${n} gave ${text}`);
        checked++;
      }
      return ((performance.now() - start) * 1_000) / scripts;
    };
    const contenders = [
      { what: "synapse: an engine of its own, confined", run: (n: number) => guarded(pool, n) },
      { what: "raw quickjs: a context of its own", run: (n: number) => raw.run(n, false) },
      { what: "raw quickjs: an instance of its own", run: (n: number) => raw.run(n, true) },
    ];
    // A thread starts and compiles once.
    for (const { run } of contenders) for (let n = 0; n < 20; n++) await run(n);
    const [ours, context, instance] = await inRounds(
      short ? 2 : 7,
      contenders.map(({ what, run }) => ({ what, unit: "µs", measure: () => each(run) })),
    );
    await Promise.all([pool.close(), raw.close()]);
    if (ours === undefined || context === undefined || instance === undefined)
      throw new Error("nothing was measured");
    return {
      measurements: [ours, context, instance],
      comparisons: [ratio(ours, context, atMost(1.5)), ratio(ours, instance)],
      checked,
      notes: [
        "Every script waits for one answer of the main thread. Synapse gives each a memory of its own, replaced clock, " +
          "seed and zone, data checked on its way in and out, and a bound on memory; the raw engine gives none of these.",
      ],
    };
  },
};

async function guarded(pool: SandboxPool, n: number): Promise<string> {
  const end = await pool.run({
    job: {
      file: "bench",
      code,
      input: JSON.stringify({ n }),
      seed: String(n),
      startMs: 0,
      methods: ["test.call"],
      memoryBytes: 64 * 1024 * 1024,
      textMax: 100_000,
      callsMax: 10,
    },
    agentId: "agent",
    signal: new AbortController().signal,
    onCall: (_method, _args, answer) => answer(true, '{"n":1}'),
  });
  if (end.kind !== "value") throw new Error(`a script ended with ${end.kind}`);
  return end.text;
}
