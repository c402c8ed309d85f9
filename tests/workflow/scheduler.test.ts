import fc from "fast-check";
import { expect, test } from "vitest";
import type { StepDefinition } from "../../src/workflow/definition.js";
import { Scheduler } from "../../src/workflow/scheduler.js";

interface Node {
  readonly id: string;
  readonly needs: readonly string[];
}

/** Each step needs some before it, one of them perhaps twice. */
const graphs = fc
  .array(fc.array(fc.nat({ max: 20 }), { maxLength: 3 }), { minLength: 1, maxLength: 14 })
  .map((list) =>
    list.map((needs, n): Node => ({
      id: `s${n}`,
      needs: needs.filter((need) => need < n).map((need) => `s${need}`),
    })),
  );

/** The same by looking at everything, every time. */
function slowly(steps: readonly Node[], concurrency: number, before: readonly string[]) {
  const ended = new Set(before);
  const waiting = steps.filter(({ id }) => !ended.has(id));
  let active = 0;
  let last = Infinity;
  const rankOf = (id: string) => steps.findIndex((step) => step.id === id);
  return {
    waiting,
    stopAfter: (id: string) => void (last = Math.min(last, rankOf(id))),
    end: (id: string) => {
      active--;
      ended.add(id);
    },
    started: () => {
      const started: string[] = [];
      while (active < concurrency) {
        const at = waiting.findIndex(
          ({ id, needs }) => rankOf(id) <= last && needs.every((need) => ended.has(need)),
        );
        if (at < 0) break;
        started.push(...waiting.splice(at, 1).map(({ id }) => id));
        active++;
      }
      return started;
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("steps start as they do when all of them are looked at again after each end", async () => {
  const cases = fc.record({
    steps: graphs,
    concurrency: fc.integer({ min: 1, max: 5 }),
    // Any of them, whatever they need: who needs a step that was skipped may have ended, and that one not.
    endedBefore: fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }),
    // Which of the running ones ends next, and whether it stops the run.
    ends: fc.array(fc.record({ which: fc.nat(), stops: fc.nat({ max: 9 }).map((n) => n === 0) }), {
      minLength: 14,
      maxLength: 14,
    }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ steps, concurrency, endedBefore, ends }) => {
      const before = steps.filter((_, rank) => endedBefore[rank]).map(({ id }) => id);
      const slow = slowly(steps, concurrency, before);
      const running = new Map<string, () => void>();
      let started: string[] = [];
      const scheduler = new Scheduler(
        steps as readonly Node[] as readonly StepDefinition[],
        concurrency,
        ({ id }) =>
          new Promise((resolve) => {
            started.push(id);
            running.set(id, resolve);
          }),
        before,
      );
      const over = scheduler.run();
      for (const { which, stops } of ends) {
        expect(started).toEqual(slow.started());
        started = [];
        const id = [...running.keys()][which % running.size];
        if (id === undefined) break;
        if (stops) {
          scheduler.stopAfter(id);
          slow.stopAfter(id);
        }
        running.get(id)?.();
        running.delete(id);
        slow.end(id);
        await turn();
      }
      expect(running.size).toBe(0);
      expect((await over).map(({ id }) => id)).toEqual(slow.waiting.map(({ id }) => id));
    }),
  );
});
