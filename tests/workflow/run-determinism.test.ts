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
  world = await openWorld({ actions: [work] });
  await world.grant("agent", "job:run:a");
});
afterAll(() => world.close());

/** A workflow made from a number: steps, needs, conditions, denials, failures and uses of outputs. */
function generated(seed: number) {
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
      agent: kind === 0 ? "nobody" : "agent",
      action: "test.work",
      needs,
      on_denied: "continue",
      on_error: "continue",
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
  for (let seed = 1; seed <= 30; seed++) {
    const definition = generated(seed);
    const runs = [];
    for (const concurrency of [1, 4, 16]) runs.push(await run(world.pipeline, definition, { concurrency }));
    expect(new Set(runs.map(({ result_digest }) => result_digest)).size).toBe(1);
    for (const each of runs) expect(each.status).toBe("completed");
    digests.add(runs[0]?.result_digest ?? "");
    for (const { status } of runs[0]?.summary.steps ?? []) statuses.add(status);
  }
  // The workflows were not all alike, and every way for a step to end was among them.
  expect(digests.size).toBe(30);
  expect(statuses).toEqual(new Set(["completed", "denied", "failed", "skipped"]));
});
