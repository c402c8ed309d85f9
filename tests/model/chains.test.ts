import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Chains } from "../../src/model/chains.js";

describe("chains of positions by key", () => {
  it("hold what a map of lists holds, whatever is added and removed", () => {
    // Keys that begin their search at one slot, that differ in one bit, and any.
    const key = fc.oneof(
      fc.integer({ min: 0, max: 4 }).map((n) => n << 20),
      fc.integer({ min: 0, max: 31 }).map((n) => 1 << n),
      fc.integer(),
    );
    const deed = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("add" as const), key }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("remove" as const),
          key,
          of: fc.integer({ min: 1, max: 3 }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 200 }), (deeds) => {
        const chains = new Chains();
        const lists = new Map<number, number[]>();
        let position = 0;
        for (const each of deeds) {
          const list = lists.get(each.key) ?? [];
          if (each.kind === "add") {
            chains.add(each.key, position);
            lists.set(each.key, [position++, ...list]);
          } else {
            chains.remove(each.key, (at) => at % each.of === 0);
            lists.set(
              each.key,
              list.filter((at) => at % each.of !== 0),
            );
          }
        }
        for (const [each, list] of lists) expect(chainOf(chains, each)).toEqual(list);
        for (const each of [7, -7, 1 << 29]) expect(chainOf(chains, each)).toEqual(lists.get(each) ?? []);
      }),
      { numRuns: 2_000, seed: 21 },
    );
  });
});

function chainOf(chains: Chains, key: number): number[] {
  const found: number[] = [];
  for (let link = chains.first(key); link !== 0; link = chains.after(link)) found.push(chains.position(link));
  return found;
}
