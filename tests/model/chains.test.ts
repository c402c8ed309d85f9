import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Chains } from "../../src/model/chains.js";

describe("chains of positions by key", () => {
  it("hold what a map of lists holds, whatever is added", () => {
    // Keys that begin their search at one slot, that differ in one bit, and any.
    const key = fc.oneof(
      fc.integer({ min: 0, max: 4 }).map((n) => n << 20),
      fc.integer({ min: 0, max: 31 }).map((n) => 1 << n),
      fc.integer(),
    );
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 200, size: "max" }),
        fc.integer({ min: 1, max: 50 }),
        (keys, between) => {
          const chains = new Chains();
          const lists = new Map<number, number[]>();
          for (const [position, each] of keys.entries()) {
            chains.add(each, position);
            lists.set(each, [position, ...(lists.get(each) ?? [])]);
            // Whoever asks in between sees what was added last, too.
            if (position % between === 0) expect(chainOf(chains, each)).toEqual(lists.get(each));
          }
          for (const [each, list] of lists) expect(chainOf(chains, each)).toEqual(list);
          for (const each of [7, -7, 1 << 29]) expect(chainOf(chains, each)).toEqual(lists.get(each) ?? []);
        },
      ),
      { numRuns: 1_000, seed: 21 },
    );
  });
});

function chainOf(chains: Chains, key: number): number[] {
  const found: number[] = [];
  for (let link = chains.first(key); link !== 0; link = chains.after(link)) found.push(chains.position(link));
  return found;
}
