/** The laws of what-if on generated histories (docs/policy.md, What would have happened). */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { PolicyDocument } from "../../src/policy/file.js";
import { whatIf } from "../../src/policy/what-if.js";
import { asked, type Deed, deeds } from "../model/fixtures/random-world.js";
import { History, policyOf } from "./fixtures/history.js";

const constraints = fc.constantFrom(
  {},
  {},
  {},
  { max_uses: 2 },
  { rate: { limit: 1, per: "60s" } },
  { except: ["/d/x/2"] },
  { params: { type: "object", required: ["n"] } },
  { when: "params.n < 5" },
  { not_before: "2026-01-01T00:01:00Z" },
);
const expires = fc.constantFrom(undefined, undefined, undefined, "2m", "2026-01-01T00:03:00Z");

const grant = fc
  .record({
    capability: fc.constantFrom(
      "fs:read:/d/**",
      "fs:read:/d/x/*",
      "fs:write:/d/**",
      "crm:update:**",
      "fs:*:/d/x/**",
    ),
    constraints,
    expires,
    delegable: fc.boolean(),
  })
  .map((each) =>
    each.capability.startsWith("crm") && "except" in each.constraints ? { ...each, constraints: {} } : each,
  );

/** Its contracts cover all that it grants, so that it can be applied to any world. */
const policy = fc
  .record({
    contractExpires: expires,
    contractConstraints: constraints.filter((each) => !("params" in each)),
    delegable: fc.boolean(),
    agents: fc.record({
      a: fc.uniqueArray(grant, {
        maxLength: 4,
        selector: (each) => JSON.stringify([each.capability, each.constraints]),
      }),
      b: fc.uniqueArray(grant, {
        maxLength: 2,
        selector: (each) => JSON.stringify([each.capability, each.constraints]),
      }),
    }),
  })
  .map(({ contractExpires, contractConstraints, delegable, agents }) => ({
    contracts: {
      files: {
        capability: "fs:*:/d/**",
        delegable,
        expires: contractExpires,
        constraints: contractConstraints,
      },
      spare: { capability: "fs:*:/d/**", delegable },
      crm: { capability: "crm:update", delegable: true },
    },
    agents,
  }));

type Turn = { readonly do: "apply"; readonly which: "own" | "other" } | Exclude<Deed, { do: "replace" }>;

const turns: fc.Arbitrary<readonly Turn[]> = fc
  .tuple(
    deeds.map((all) => all.filter((each): each is Exclude<Deed, { do: "replace" }> => each.do !== "replace")),
    fc.array(fc.tuple(fc.nat(30), fc.constantFrom("own" as const, "other" as const)), { maxLength: 3 }),
    fc.array(fc.tuple(fc.nat(30), asked), { minLength: 3, maxLength: 12 }),
  )
  .map(([all, applications, steps]) => {
    const turns: Turn[] = [...all];
    for (const [at, which] of applications) turns.splice(at, 0, { do: "apply", which });
    for (const [at, each] of steps) turns.splice(at, 0, { do: "step", asked: each });
    return turns;
  });

function historyOf(own: PolicyDocument, other: PolicyDocument, all: readonly Turn[]): History {
  const history = new History();
  history.apply(own);
  for (const turn of all) {
    if (turn.do !== "apply") history.do(turn);
    else if (turn.which === "own") reapply(history, own);
    else reapply(history, other);
  }
  return history;
}

/** A contract may have been revoked or expired meanwhile, in which case the policy cannot be applied. */
function reapply(history: History, policy: PolicyDocument): void {
  const before = history.world.events.length;
  try {
    history.apply(policy);
  } catch (error) {
    // What was emitted before the refusal cannot be taken back here, as it is in a real log.
    if (history.world.events.length !== before) throw new Aborted();
    if (!(error instanceof Error)) throw error;
  }
}

class Aborted extends Error {}

test("with the very policy that was applied, nothing changes", async () => {
  let decided = 0;
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(policy, policy, turns, async (ownText, otherText, all) => {
      const own = policyOf(ownText);
      let history: History;
      try {
        history = historyOf(own, policyOf(otherText, "other"), all);
      } catch (error) {
        fc.pre(!(error instanceof Aborted));
        throw error;
      }
      const report = await whatIf(history.log, own);
      expect({ groups: report.groups, changed: report.newly_allowed + report.newly_denied }).toEqual({
        groups: [],
        changed: 0,
      });
      decided += report.requests;
      allowed += history.world.events.filter((each) => each.event === "step_execution_authorized").length;
    }),
    { numRuns: 300 },
  );
  // A law about worlds in which everything is denied would prove little.
  expect(allowed).toBeGreaterThan(decided / 10);
});

test("nothing is asked of the other policies: with one that was never applied and grants nothing, nothing changes", async () => {
  await fc.assert(
    fc.asyncProperty(policy, turns, async (ownText, all) => {
      const own = policyOf(ownText);
      const history = new History();
      history.apply(own);
      for (const turn of all) if (turn.do !== "apply") history.do(turn);
      const report = await whatIf(history.log, policyOf({}, "empty"));
      expect(report.groups).toEqual([]);
      expect(report.unchanged).toBe(report.requests);
    }),
    { numRuns: 200 },
  );
});

test("without constraints: widening a policy denies nothing new, narrowing it allows nothing new", async () => {
  const plain = fc.uniqueArray(
    fc.constantFrom("fs:read:/d/**", "fs:read:/d/x/*", "fs:write:/d/**", "crm:update:**", "fs:*:/d/x/**"),
  );
  const contracts = { files: { capability: "fs:*:/d/**" }, crm: { capability: "crm:update" } };
  await fc.assert(
    fc.asyncProperty(plain, plain, fc.array(asked, { maxLength: 10 }), async (few, more, steps) => {
      const narrow = policyOf({ contracts, agents: { a: few } });
      const wide = policyOf({ contracts, agents: { a: [...new Set([...few, ...more])] } });
      const run = (policy: PolicyDocument) => {
        const history = new History();
        history.apply(policy);
        for (const each of steps) history.step(each);
        return history.log;
      };
      expect((await whatIf(run(narrow), wide)).newly_denied).toBe(0);
      expect((await whatIf(run(wide), narrow)).newly_allowed).toBe(0);
    }),
    { numRuns: 200 },
  );
});
