import { canonicalJson } from "../model/canonical.js";
import type { JsonObject } from "../model/json.js";
import type { SuggestedGrant } from "./suggested-grant.js";
import { type Terms, termsOfEither, termsTogether } from "./terms.js";

/**
 * No policy file holds the same grant twice. What came from several bindings and is the same by now becomes one;
 * what differs in its contract only takes the contract's constraints into the grant.
 */
export function withoutTwins(grants: readonly SuggestedGrant[]): readonly SuggestedGrant[] {
  let current = grants;
  // Each turn makes fewer grants of them, or empties contracts: both come to an end.
  for (;;) {
    const twins = groupedBy(current, (each) => keyOf(each, each.grant));
    if (twins.size === current.length) return current;
    current = [...twins.values()].flatMap((alike) => (alike.length === 1 ? alike : resolved(alike)));
  }
}

function resolved(alike: readonly SuggestedGrant[]): readonly SuggestedGrant[] {
  const same = [...groupedBy(alike, (each) => keyOf(each, each.contract)).values()].map((equals) =>
    equals.reduce(asOne),
  );
  return same.length === 1 ? same : same.map(flattened);
}

function asOne(a: SuggestedGrant, b: SuggestedGrant): SuggestedGrant {
  return {
    ...a,
    contract: termsOfEither(a.contract, b.contract),
    grant: termsOfEither(a.grant, b.grant),
    uses: a.uses + b.uses,
    generalisedFrom: [...new Set([...a.generalisedFrom, ...b.generalisedFrom])],
    touched: [...new Set([...a.touched, ...b.touched])],
    endedAt: a.endedAt ?? b.endedAt,
  };
}

function flattened(each: SuggestedGrant): SuggestedGrant {
  return {
    ...each,
    contract: { constraints: {}, expiresAt: undefined },
    grant: termsTogether([each.grant, each.contract]),
  };
}

function keyOf({ agent, capability }: SuggestedGrant, { constraints }: Terms): string {
  return canonicalJson([agent, capability, constraints as unknown as JsonObject]);
}

function groupedBy<T>(all: readonly T[], keyFor: (each: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const each of all) {
    const key = keyFor(each);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return groups;
}
