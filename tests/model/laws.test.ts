import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide } from "../../src/model/decide.js";
import { denialReasons } from "../../src/model/denial.js";
import type { AuditEvent } from "../../src/model/event.js";
import type { JsonValue } from "../../src/model/json.js";
import { State } from "../../src/model/state.js";
import { dumpState } from "./fixtures/dump-state.js";
import { act, type Asked, asked, deeds, worldOf } from "./fixtures/random-world.js";
import { requestOf, World } from "./fixtures/world.js";

const questions = fc.array(asked, { minLength: 3, maxLength: 6 });

function isAllowed(world: World, question: Asked): boolean {
  return decide(requestOf(question.requirements, question), world.state, world.at).allowed;
}

describe("laws of deciding", () => {
  it("one more contract or binding never turns an allow into a deny (D2, D3)", () => {
    let kept = 0;
    fc.assert(
      fc.property(deeds, deeds, questions, (before, more, asks) => {
        const world = worldOf(before);
        const allowed = asks.filter((question) => isAllowed(world, question));
        const created = more.filter((deed) => ["issue", "bind", "delegate"].includes(deed.do));
        for (const deed of created) act(world, deed);
        for (const question of allowed) expect(isAllowed(world, question)).toBe(true);
        kept += allowed.length;
      }),
      { numRuns: 800, seed: 1 },
    );
    expect(kept).toBeGreaterThan(300);
  });

  it("revoking a contract or a binding never turns a deny into an allow (A3)", () => {
    fc.assert(
      fc.property(deeds, questions, (before, asks) => {
        const world = worldOf(before);
        const denied = asks.filter((question) => !isAllowed(world, question));
        for (const link of [...world.state.links()]) {
          world.revoke(link);
          for (const question of denied) expect(isAllowed(world, question)).toBe(false);
        }
        for (const question of asks) expect(isAllowed(world, question)).toBe(false);
      }),
      { numRuns: 300, seed: 2 },
    );
  });

  it("suspension takes everything from its agent, nothing from others, and ends with all as it was (A7)", () => {
    fc.assert(
      fc.property(deeds, questions, (before, asks) => {
        const world = worldOf(before);
        for (const agent of ["a", "b", "c"]) world.suspend(agent, false);
        const answers = () => asks.map((question) => isAllowed(world, question));
        const own = answers();
        world.suspend("a");
        expect(answers()).toEqual(own.map((allowed, n) => allowed && asks[n]?.agent !== "a"));
        world.suspend("a", false);
        expect(answers()).toEqual(own);
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it("the state is a fold: folding the log anew gives the same state and the same answers (DESIGN, the log)", () => {
    fc.assert(
      fc.property(deeds, questions, (all, asks) => {
        const world = worldOf(all);
        const again = new State();
        for (const event of world.events) again.fold(JSON.parse(JSON.stringify(event)) as AuditEvent);
        expect(dumpState(again)).toEqual(dumpState(world.state));
        for (const question of asks) {
          const request = requestOf(question.requirements, question);
          const [live, folded] = [world.state, again].map((state) => decide(request, state, world.at));
          expect(folded).toEqual(live);
        }
      }),
      { numRuns: 400, seed: 4 },
    );
  });

  it("deciding changes nothing", () => {
    fc.assert(
      fc.property(deeds, questions, (all, asks) => {
        const world = worldOf(all);
        const before = JSON.stringify(dumpState(world.state));
        for (const question of asks) isAllowed(world, question);
        expect(JSON.stringify(dumpState(world.state))).toBe(before);
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it("never throws on data, and says one of the reasons (D1, D2)", () => {
    fc.assert(
      fc.property(
        deeds,
        asked,
        fc.jsonValue(),
        fc.string({ unit: "binary" }),
        (all, question, data, name) => {
          const world = worldOf(all);
          const request = requestOf(question.requirements, question);
          const hostile = { ...request, params: data as JsonValue, agentId: name, stepId: name };
          for (const now of [0, -1, 1.5, world.at, Infinity, -Infinity, Number.NaN]) {
            for (const each of [hostile, { ...hostile, agentId: "a" }, { ...request, params: name }]) {
              const decision = decide(each, world.state, now);
              if (!decision.allowed) expect(denialReasons).toContain(decision.reason);
            }
          }
        },
      ),
      { numRuns: 400, seed: 6 },
    );
  });
});

describe("what is unknown allows nothing", () => {
  it("an agent, a domain, an action that nobody spoke of", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read");
    expect(world.answer("fs:read:/x", { agent: "A" })).toBe("no_binding_found");
    expect(world.answer("fs:readall:/x")).toBe("no_capability");
    expect(world.answer("fsx:read:x")).toBe("no_capability");
    expect(world.answer([])).toBe("invalid_capability");
  });

  it("a time that is no number: nothing that ends, begins or is counted by time is alive", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { expiresAt: "1h" });
    world.bind("b", "fs:read", { constraints: { not_before: "2025-01-01T00:00:00Z" } });
    world.bind("c", "fs:read", { constraints: { rate: { limit: 1, per: "1m" } } });
    world.step("fs:read:/x", { agent: "c" });
    world.at = Number.NaN;
    expect(world.answer("fs:read:/x", { agent: "a" })).toBe("binding_expired");
    expect(world.answer("fs:read:/x", { agent: "b" })).toBe("binding_not_yet_valid");
    expect(world.answer("fs:read:/x", { agent: "c" })).toBe("rate_limited");
  });

  it("parameters that have no canonical form are a denial where they have to be looked at (K)", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { constraints: { params: true } });
    const request = { ...requestOf("fs:read:/x"), params: { text: "\ud800" } };
    expect(decide(request, world.state, world.at)).toMatchObject({ allowed: false, reason: "policy_error" });
  });
});
