import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdTable } from "../../src/model/proof/id-table.js";

/** Few different ones, so that they meet; beside them what is nearly of the usual form. */
const uuid = fc
  .array(fc.constantFrom("0", "1", "9", "a", "f"), { minLength: 2, maxLength: 2 })
  .map(([a = "", b = ""]) => `${a.repeat(8)}-${b.repeat(4)}-${a.repeat(4)}-${b.repeat(4)}-${a.repeat(12)}`);
const ids = fc.oneof(
  uuid.map((text) => `evt_${text}`),
  uuid.map((text) => `EVT_${text}`),
  uuid.map((text) => `evt_${text.toUpperCase()}`),
  uuid.map((text) => `evt_${text.replace("-", "0")}`),
  uuid.map((text) => `evt_${text.replace("f", "g")}`),
  uuid.map((text) => `evt_${text.replace("a", "\u0161")}`),
  uuid.map((text) => `evt_${text}0`),
  fc.string(),
);

describe("a table of ids", () => {
  it("says what a map of texts says", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("set", "get", "delete"), ids, fc.nat()), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (list) => {
        const table = new IdTable("evt_");
        const map = new Map<string, number>();
        for (const [what, id, value] of list) {
          if (what === "delete") {
            table.delete(id);
            map.delete(id);
          }
          if (what === "set") {
            table.set(id, value);
            map.set(id, value);
          }
          expect(table.get(id)).toBe(map.get(id));
        }
        for (const [, id] of list) expect(table.get(id)).toBe(map.get(id));
      }),
    );
  });

  it.each([
    ["in a row", (n: number) => n.toString(16).padStart(32, "0")],
    // Whatever the table makes of the words, of these many fall on the same place.
    ["that differ in the first digits alone", (n: number) => n.toString(16).padStart(8, "0").padEnd(32, "0")],
    ["far apart", (n: number) => (BigInt(n) * 0x9e3779b97f4a7c15f39cc0605cedc835n).toString(16).slice(-32)],
  ])("holds a hundred thousand %s", (_, hexOf) => {
    const idOf = (n: number) => {
      const hex = hexOf(n).padStart(32, "0");
      const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
      return `evt_${parts.join("-")}`;
    };
    const table = new IdTable("evt_");
    const some = Array.from({ length: 100_000 }, (_, n) => n);
    for (const n of some) {
      if (table.get(idOf(n)) !== undefined) throw new Error(`${n} is there before it was put there`);
      table.set(idOf(n), n);
    }
    expect(some.filter((n) => table.get(idOf(n)) !== n)).toEqual([]);
  });
});
