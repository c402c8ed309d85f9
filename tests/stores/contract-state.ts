import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide } from "../../src/model/decide.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import { asked, deeds, worldOf } from "../model/fixtures/random-world.js";
import { requestOf, World } from "../model/fixtures/world.js";
import type { Place } from "./contract.js";
import { loaded, write, writeInPieces } from "./contract-writing.js";

/** @param make a place that the caller removes; `open` removes it by itself. */
export function stateContract(name: string, open: () => Place, make: () => Place): void {
  describe(`${name}: the state of authority`, () => {
    it("loaded from the tables it is the fold of the log, and decides alike (DESIGN, D6)", () => {
      fc.assert(
        fc.property(
          deeds,
          fc.array(asked, { maxLength: 4 }),
          fc.array(fc.nat(5), { maxLength: 8 }),
          (all, asks, cuts) => {
            const { driver, another, remove } = make();
            try {
              const world = worldOf(all);
              writeInPieces(driver, world.events, cuts);
              for (const reader of [driver, another() ?? driver]) {
                const state = loaded(reader);
                expect(dumpState(state)).toEqual(dumpState(world.state));
                for (const question of asks) {
                  const request = requestOf(question.requirements, question);
                  expect(decide(request, state, world.at)).toEqual(decide(request, world.state, world.at));
                }
              }
            } finally {
              remove();
            }
          },
        ),
        { numRuns: 60, seed: 9 },
      );
    });

    it("a replacement's window goes where a window is, and nowhere else (E5)", () => {
      const { driver } = open();
      const world = new World();
      world.issue("fs:read");
      const rates = [
        { limit: 2, per: "60s" },
        undefined,
        { limit: 9, per: "3600s" },
        { limit: 1, per: "30s" },
        { limit: 5, per: "300s" },
      ];
      let supersedes: string | undefined;
      for (const rate of rates) {
        const binding = world.bind("a", "fs:read", {
          constraints: rate === undefined ? {} : { rate },
          supersedes,
        });
        if (supersedes !== undefined) world.revoke(world.state.binding(supersedes) ?? binding);
        supersedes = binding.id;
        for (let n = 0; n < 3; n++) {
          world.step("fs:read:/x");
          world.at += 25_000;
        }
      }
      write(driver, world.events);
      expect(dumpState(loaded(driver))).toEqual(dumpState(world.state));
    });

    it("the first revocation stands, whatever the log says later (A3)", () => {
      const { driver } = open();
      const world = new World();
      const contract = world.issue("fs:read");
      const binding = world.bind("a", "fs:read");
      for (let n = 0; n < 2; n++) {
        world.tx.emit({ event: "binding_revoked", binding_id: binding.id });
        world.tx.emit({ event: "capability_revoked", contract_id: contract.id });
      }
      write(driver, world.events);
      expect([...loaded(driver).links()].map((link) => link.revokedSeq)).toEqual([4, 3]);
    });

    it("time goes on from the last event (D8), suspended agents and open steps are known", () => {
      const { driver } = open();
      const world = new World();
      world.issue("fs:read");
      world.bind("a", "fs:read");
      world.suspend("b");
      world.at += 5_000;
      world.step("fs:read:/x");
      write(driver, world.events);
      const state = loaded(driver);
      expect([state.seq, state.lastTime]).toEqual([world.events.length, world.at]);
      expect([...state.suspended]).toEqual(["b"]);
      expect([...state.open.values()]).toEqual([world.events.at(-1)]);
    });
  });
}
