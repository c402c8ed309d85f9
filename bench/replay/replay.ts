import { join } from "node:path";
import { allBuiltinActions } from "../../src/actions/index.js";
import { createReplayHandles } from "../../src/actions/handles/index.js";
import { ActionRegistry } from "../../src/core/action.js";
import { eventsOf } from "../../src/core/log-reader.js";
import { createPipeline, SecureExecutionContext } from "../../src/index.js";
import { isDiverged, replayLog } from "../../src/replay/replay-log.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import type { Bench } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { ratio } from "../harness/statistics.js";

const agents = 100;
const inFlight = 256;

export const replay: Bench = {
  name: "replay",
  title: "Deciding and running recorded steps again, by how many the log holds",
  run: async ({ short, folder, say }) => {
    const sizes = short ? [50, 200] : [1_000, 10_000];
    for (const steps of sizes) {
      say(`${steps} steps: making a log`);
      await makeLog(join(folder, `${steps}.db`), steps);
    }
    say("measuring");
    let checked = 0;
    const measurements = await inRounds(
      short ? 2 : 5,
      sizes.map((steps) => ({
        what: `replay of a step, log of ${steps.toLocaleString("en")}`,
        unit: "µs",
        measure: async () => {
          const start = performance.now();
          checked += await replayAll(join(folder, `${steps}.db`), steps);
          return ((performance.now() - start) * 1_000) / steps;
        },
      })),
    );
    const [few, many] = measurements;
    if (few === undefined || many === undefined) throw new Error("nothing was measured");
    return {
      measurements,
      comparisons: [ratio(many, few, undefined, "ten times the log, a step")],
      checked,
      notes: [
        "Each step is decided again on a fold of the log and its action, `memory.set`, runs again with its handle answered " +
          "from the journal. Each was found to be identical.",
      ],
    };
  },
};

async function replayAll(database: string, steps: number): Promise<number> {
  const image = openImage(database);
  let identical = 0;
  const all = replayLog({
    events: eventsOf(image, image.eventCount()),
    read: (key) => image.blob(key),
    actions: new ActionRegistry(allBuiltinActions),
    handles: createReplayHandles("/"),
    selects: () => true,
  });
  for await (const step of all) {
    if (isDiverged(step)) throw new Error(`step ${step.step_id} is not what was recorded`);
    identical++;
  }
  image.close();
  if (identical !== steps) throw new Error(`${identical} of ${steps} steps were replayed`);
  return identical;
}

async function makeLog(database: string, steps: number): Promise<void> {
  const pipeline = await createPipeline({ database });
  await pipeline.capabilityManager.issue({ capability: "memory:write:**", issuedBy: "bench" });
  for (let n = 0; n < agents; n++)
    await pipeline.bindingManager.bind({
      agentId: `a${n}`,
      capability: `memory:write:k${n}/**`,
      createdBy: "bench",
    });
  const action = pipeline.actions.get("memory.set");
  if (action === undefined) throw new Error("there is no action `memory.set`");
  let next = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const n = next++;
      if (n >= steps) return;
      const key = `k${n % agents}/v`;
      const result = await pipeline.executor.executeStep(
        new SecureExecutionContext({
          workflowId: "bench",
          stepId: `s${n}`,
          agentId: `a${n % agents}`,
          requiredCapability: `memory:write:${key}`,
          auditReference: "bench",
          traceId: `t${n}`,
          action,
          actionParams: { key, value: n },
        }),
      );
      if (result.status !== "completed") throw new Error(`a step ended as ${result.status}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await pipeline.close();
}
