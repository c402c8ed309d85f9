import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCapability } from "../../src/model/capability/index.js";
import { PlaceTable } from "../../src/model/place-table.js";

interface Numbered {
  readonly n: number;
  readonly capability: ReturnType<typeof parseCapability>;
}
const capability = parseCapability("fs:read:/a");
const another = parseCapability("fs:read:/b");

describe("entries by number", () => {
  it("are what a map of lists holds, whatever is added and removed", () => {
    // Numbers that begin their search at one slot, that differ in one bit, and any; 0 marks what is free inside.
    const number = fc.oneof(
      fc.integer({ min: 0, max: 4 }).map((n) => n << 20),
      fc.integer({ min: 0, max: 31 }).map((n) => 1 << n),
      fc.integer().filter((n) => n !== 1),
    );
    const deed = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("add" as const), number }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("remove" as const),
          number,
          of: fc.integer({ min: 1, max: 3 }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 200 }), (deeds) => {
        const table = new PlaceTable<Numbered>();
        const lists = new Map<number, number[]>();
        // 0 and 1 are one number here: who is found is compared anyway.
        const key = (each: number): number => (each === 0 ? 1 : each);
        deeds.forEach((each, n) => {
          const list = lists.get(key(each.number)) ?? [];
          if (each.kind === "add") {
            table.add(each.number, { n, capability });
            lists.set(key(each.number), [...list, n]);
          } else {
            table.remove(each.number, (entry) => entry.n % each.of === 0);
            lists.set(
              key(each.number),
              list.filter((at) => at % each.of !== 0),
            );
          }
        });
        for (const [each, list] of lists) expect(foundIn(table, each)).toEqual(list);
        for (const each of [7, -7, 1 << 29]) expect(foundIn(table, each)).toEqual(lists.get(each) ?? []);
      }),
      { numRuns: 2_000, seed: 22 },
    );
  });
});

function foundIn(table: PlaceTable<Numbered>, number: number): number[] {
  const slot = table.find(number);
  if (slot < 0) return [];
  if (table.hasList(slot)) return table.list(slot).map(({ n }) => n);
  expect(table.covers(slot, capability)).toBe(true);
  expect(table.covers(slot, another)).toBe(false);
  return [table.entry(slot).n];
}
