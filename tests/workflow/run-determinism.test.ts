import { afterAll, beforeAll, expect, test } from "vitest";
import { defineAction, EffectFailedError } from "../../src/index.js";
import { openWorld, type World } from "../core/world.js";
import { run, workflow } from "./world.js";

const work = defineAction<{ fail?: boolean; from?: string }>({
  name: "test.work",
  requires: () => "job:run:a",
  idempotent: true,
  run: async ({ fail, from = "" }, { memory }, env) => {
    for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await new Promise(setImmediate);
    if (fail === true) throw new EffectFailedError("told_to", "it was told to fail");
    await memory.get("outside").catch(() => undefined);
    return { from, draw: env.random(), id: env.uuid(), now: env.now() };
  },
});

let world: World;
beforeAll(async () => {
  // Nothing here is about durability, and these are 600 runs.
  world = await openWorld({ actions: [work], database: ":memory:" });
  await world.grant("agent", "job:run:a");
});
afterAll(() => world.close());

/** A workflow made from a number: steps, needs, conditions, denials, failures and uses of outputs. */
function generated(seed: number, stops: boolean) {
  let state = seed * 2_654_435_761 + 1;
  const below = (most: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  const steps = Array.from({ length: 3 + below(10) }, (_, index) => {
    const needs = Array.from({ length: index }, (__, other) => `s${other}`).filter(() => below(3) === 0);
    const [used] = needs;
    const kind = below(8);
    return {
      id: `s${index}`,
      // Another one each time: who is denied again and again has to wait (D9).
      agent: kind === 0 ? `nobody-${seed}` : "agent",
      action: "test.work",
      needs,
      ...(stops ? {} : { on_denied: "continue", on_error: "continue" }),
      ...(kind === 1 ? { if: used === undefined ? false : `steps.${used}.status == "completed"` } : {}),
      ...(kind === 3 ? { retry: { attempts: 1, delay: "1ms" } } : {}),
      with: {
        ...(kind === 2 || kind === 3 ? { fail: true } : {}),
        ...(used !== undefined && below(2) === 0
          ? {
              from: `\${{ steps.${used}.status == "completed" ? steps.${used}.output.id : steps.${used}.status }}`,
            }
          : {}),
      },
    };
  });
  return workflow(steps, { seed });
}

test("the digest of a run does not depend on how many steps run at a time (R1, R2)", async () => {
  const digests = new Set<string>();
  const statuses = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const runs = await atEachConcurrency(generated(seed, false));
    for (const each of runs) expect(each.status).toBe("completed");
    digests.add(runs[0]?.result_digest ?? "");
    for (const { status } of runs[0]?.summary.steps ?? []) statuses.add(status);
  }
  // The workflows were not all alike, and every way for a step to end was among them.
  expect(digests.size).toBe(100);
  expect(statuses).toEqual(new Set(["completed", "denied", "failed", "skipped"]));
});

test("nor does that of a run which a denial or a failure stops, nor what it is said to have stopped at", async () => {
  const ends = new Set<string>();
  for (let seed = 101; seed <= 200; seed++) {
    const runs = await atEachConcurrency(generated(seed, true));
    expect(new Set(runs.map(({ status }) => status)).size).toBe(1);
    ends.add(runs[0]?.status ?? "");
  }
  expect(ends).toEqual(new Set(["completed", "denied", "failed"]));
});

/** One, four and sixteen at a time: the same digest. */
async function atEachConcurrency(definition: ReturnType<typeof generated>) {
  const runs = [];
  for (const concurrency of [1, 4, 16]) runs.push(await run(world.pipeline, definition, { concurrency }));
  expect(new Set(runs.map(({ result_digest }) => result_digest)).size).toBe(1);
  return runs;
}

test("what one step at a time would have done before the step that stops a run is still done (R1)", async () => {
  const definition = workflow(
    [
      { id: "slow", agent: "agent", action: "test.work", with: {} },
      { id: "after", agent: "agent", action: "test.work", needs: ["slow"], with: {} },
      { id: "stops", agent: "nobody", action: "test.work", with: {} },
      { id: "behind", agent: "agent", action: "test.work", needs: ["after", "stops"], with: {} },
    ],
    { seed: 1 },
  );
  for (const concurrency of [1, 16]) {
    const { steps, status } = await run(world.pipeline, definition, { concurrency });
    expect(status).toBe("denied");
    expect(steps["after"]?.status).toBe("completed");
    expect(steps["behind"]?.status).toBe("skipped");
  }
});
