import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EffectNumbers } from "../../src/model/proof/effect-numbers.js";
import { EndedRequests } from "../../src/model/proof/ended-requests.js";

describe("what is kept of a request that has ended", () => {
  it("is whose it was and how many of its uses were answered", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.oneof(fc.string(), fc.constant(null), fc.nat(), fc.constant(undefined))),
        fc.integer({ min: 0, max: 2 ** 20 - 1 }),
        (id, whose, answered) => {
          const ended = new EndedRequests();
          expect(ended.find(id, whose)).toBeUndefined();
          expect(ended.add(id, whose, answered)).toBe(true);
          expect(ended.find(id, whose)).toEqual({ denied: false, answered });
          expect(ended.find(id, [...whose, "!"])).toBe("foreign");
          expect(ended.has(id)).toBe(true);
          ended.remove(id);
          expect(ended.has(id)).toBe(false);
        },
      ),
    );
  });

  it("is that it was denied, and then nothing more", () => {
    const ended = new EndedRequests();
    ended.addDenied("r");
    expect(ended.find("r", ["anybody"])).toEqual({ denied: true, answered: 0 });
  });

  it("does not hold more uses than fit: such a request stays as it is", () => {
    const ended = new EndedRequests();
    expect(ended.add("r", ["w"], 2 ** 20)).toBe(false);
    expect(ended.has("r")).toBe(false);
  });
});

describe("uses of handles by number", () => {
  it("say of each what a list of all of them says, and are settled when no gap is left", () => {
    const uses = fc.array(fc.record({ n: fc.integer({ min: 1, max: 12 }), answered: fc.boolean() }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(uses, (list) => {
        const numbers = new EffectNumbers();
        const all = new Map<number, "attempted" | "answered">();
        for (const { n, answered } of list) {
          if (all.get(n) === "answered") continue;
          all.set(n, answered ? "answered" : "attempted");
          if (answered) numbers.answer(n);
          else numbers.attempt(n);
        }
        for (let n = 1; n <= 12; n++) expect(numbers.at(n)).toBe(all.get(n));
        const whole = [...all.keys()].every((n) => all.get(n) === "answered" && n <= all.size);
        expect(numbers.settled).toBe(whole ? all.size : undefined);
      }),
    );
  });
});
