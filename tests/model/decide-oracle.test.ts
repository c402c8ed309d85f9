import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide } from "../../src/model/decide.js";
import { decideNaively } from "../oracle/decide-oracle.js";
import { asked, deeds, worldOf } from "./fixtures/random-world.js";
import { answerOf, requestOf } from "./fixtures/world.js";

describe("decide agrees with a naive decision over the plain list of events (A2-A5, A7, K, D2, D3)", () => {
  it("in 4,000 random worlds: the same answer, the same binding, the same reason", () => {
    const seen = new Map<string, number>();
    let deepest = 0;
    fc.assert(
      fc.property(
        deeds,
        fc.array(asked, { minLength: 4, maxLength: 4 }),
        fc.constantFrom(0, 0, 0, 1, 30_000, 200_000),
        (all, questions, later) => {
          const world = worldOf(all);
          for (const link of world.state.links()) {
            if (link.kind === "binding") deepest = Math.max(deepest, link.chain.length);
          }
          for (const question of questions) {
            const request = requestOf(question.requirements, question);
            const now = world.at + later;
            const decision = decide(request, world.state, now);
            expect(answerOf(decision)).toBe(decideNaively(world.events, request, now));
            const kind = decision.allowed ? `allowed ${decision.bindingIds.length}` : decision.reason;
            seen.set(kind, (seen.get(kind) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 4_000, seed: 20_260_101 },
    );
    // A comparison proves nothing about what never came up.
    expect(deepest).toBeGreaterThanOrEqual(6);
    expect(seen.get("allowed 1")).toBeGreaterThan(1_000);
    for (const kind of outcomes) expect({ kind, times: seen.get(kind) ?? 0 }).not.toEqual({ kind, times: 0 });
  });
});

const outcomes = [
  "allowed 2",
  "invalid_capability",
  "capability_mismatch",
  "agent_suspended",
  "no_capability",
  "contract_expired",
  "contract_revoked",
  "no_binding_found",
  "binding_not_yet_valid",
  "binding_expired",
  "binding_revoked",
  "scope_exceeded",
  "constraint_violated",
  "rate_limited",
  "uses_exhausted",
  "approval_required",
  "policy_error",
];
