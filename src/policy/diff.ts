import type { LinkRecord } from "../model/authority.js";
import { type Capability, covers, parseCapability, parseScope } from "../model/capability/index.js";
import type { Constraints } from "../model/constraint/index.js";
import { matchesAgents } from "../model/identifier.js";
import type { JsonValue } from "../model/json.js";
import type { State } from "../model/state.js";
import { formatInstant } from "../model/time.js";
import { ownedBy } from "./apply.js";
import { compareConstraints } from "./compare-constraints.js";
import { compareEnds, type End, endOf } from "./end.js";
import type { PolicyAuthority, PolicyDocument } from "./file.js";
import { pairUp } from "./match.js";
import { contained, type Relation, together } from "./relation.js";

/** One thing in which an object differs. */
export interface AspectChange {
  /** `authority` (capability and scope), `issued_to`, `contract`, `expires`, `delegable`, `constraints.…`. */
  readonly what: string;
  readonly relation: Relation;
  readonly from: JsonValue;
  readonly to: JsonValue;
}

/** How one contract or binding differs from the old policy to the new one. */
export interface PolicyDifference {
  /** `changed`: nobody can show that the new one is narrower, or that it is wider. */
  readonly change: "added" | "removed" | "narrowed" | "widened" | "changed";
  /** Whether more may become possible by it: everything but `removed` and `narrowed`. */
  readonly widens: boolean;
  readonly kind: "contract" | "binding";
  /** A contract's name; a binding's agent. */
  readonly subject: string;
  readonly capability: string;
  readonly aspects: readonly AspectChange[];
}

/** A contract or a binding, out of a file or a store. */
export interface PolicyObject {
  readonly kind: "contract" | "binding";
  readonly subject: string;
  readonly capability: Capability;
  readonly scope: string | undefined;
  readonly constraints: Constraints;
  readonly end: End;
  readonly delegable: boolean;
  readonly issuedTo: string | undefined;
  /** Of a binding, the name of the contract that it rests on; undefined: whatever covers it. */
  readonly contract: string | undefined;
}

/** What a file says. */
export function objectsOfPolicy(policy: PolicyDocument): PolicyObject[] {
  const common = (authority: PolicyAuthority) => ({
    capability: parseCapability(authority.capability),
    scope: authority.scope,
    constraints: authority.constraints,
    end: endOf(authority.expires),
    delegable: authority.delegable,
  });
  return [
    ...policy.contracts.map((each): PolicyObject => ({
      kind: "contract",
      subject: each.name,
      ...common(each),
      issuedTo: each.issuedTo ?? "*",
      contract: undefined,
    })),
    ...policy.grants.map((each): PolicyObject => ({
      kind: "binding",
      subject: each.agent,
      ...common(each),
      issuedTo: undefined,
      contract: each.contract,
    })),
  ];
}

/** What a store has of a policy's name and was not revoked. */
export function objectsOfStore(state: State, policy: string): PolicyObject[] {
  return ownedBy(state, policy).map((link): PolicyObject => ({
    kind: link.kind,
    subject: link.kind === "binding" ? link.agentId : keyOf(link),
    capability: link.capability,
    scope: link.scopeText,
    constraints: link.constraints,
    end: { at: link.expiresAt, since: link.createdAt },
    delegable: link.delegable,
    issuedTo: link.kind === "contract" ? link.issuedTo : undefined,
    contract: link.kind === "binding" ? keyOf(link.chain.at(-1)) : undefined,
  }));
}

/**
 * What applying `wanted` would change of `old`, in the order of the new policy, what goes away last. Pure.
 *
 * @param now ms since the epoch: what a duration in the new policy would count from.
 */
export function comparePolicies(
  old: readonly PolicyObject[],
  wanted: readonly PolicyObject[],
  now: number,
): PolicyDifference[] {
  const differences: PolicyDifference[] = [];
  const isAlike = (a: PolicyObject, b: PolicyObject): boolean => a.kind === b.kind && a.subject === b.subject;
  const exact = pairUp(
    wanted,
    old,
    (a, b) => isAlike(a, b) && aspectsOf(b, a, now).length === 0,
    (a, b) => isAlike(a, b) && (a.kind === "contract" || a.capability.text === b.capability.text),
  );
  // A path that was shortened by a folder is the same grant made wider, and not another one.
  const related = pairUp(
    exact.added,
    exact.gone,
    (a, b) => isAlike(a, b) && compareGates(b, a) !== "incomparable",
    () => false,
  );
  const changed = new Map([...exact.replaced, ...related.kept].map((pair) => [pair.wanted, pair.old]));
  const added = new Set(related.added);
  for (const each of wanted) {
    const before = changed.get(each);
    if (before !== undefined) differences.push(difference(each, aspectsOf(before, each, now)));
    else if (added.has(each)) differences.push(one("added", each));
  }
  for (const each of related.gone) differences.push(one("removed", each));
  return differences;
}

function difference(object: PolicyObject, aspects: readonly AspectChange[]): PolicyDifference {
  const relation = together(aspects.map((aspect) => aspect.relation));
  const change = relation === "narrower" ? "narrowed" : relation === "wider" ? "widened" : "changed";
  return { ...one(change, object), aspects };
}

function one(change: PolicyDifference["change"], object: PolicyObject): PolicyDifference {
  const { kind, subject } = object;
  const widens = change !== "removed" && change !== "narrowed";
  return { change, widens, kind, subject, capability: authorityText(object), aspects: [] };
}

function aspectsOf(old: PolicyObject, wanted: PolicyObject, now: number): AspectChange[] {
  const aspects: AspectChange[] = [];
  const note = (
    what: string,
    relation: Relation,
    from: JsonValue | undefined,
    to: JsonValue | undefined,
  ): void => {
    if (relation !== "same") aspects.push({ what, relation, from: from ?? null, to: to ?? null });
  };
  note("authority", compareGates(old, wanted), authorityText(old), authorityText(wanted));
  const [oldTo, newTo] = [old.issuedTo ?? "*", wanted.issuedTo ?? "*"];
  // A pattern's star is matched by nothing but a star, so this is containment, too.
  note("issued_to", contained(matchesAgents(oldTo, newTo), matchesAgents(newTo, oldTo)), oldTo, newTo);
  if (wanted.contract !== undefined && wanted.contract !== old.contract) {
    note("contract", "incomparable", old.contract, wanted.contract);
  }
  note("expires", compareEnds(old.end, wanted.end, now), endText(old.end), endText(wanted.end));
  if (old.delegable !== wanted.delegable)
    note("delegable", wanted.delegable ? "wider" : "narrower", old.delegable, wanted.delegable);
  for (const { constraint, relation, from, to } of compareConstraints(
    wanted.capability,
    old.constraints,
    wanted.constraints,
  ))
    note(`constraints.${constraint}`, relation, from, to);
  return aspects;
}

/** Capability and scope both have to cover a requirement (A4), so they are compared together. */
function compareGates(old: PolicyObject, wanted: PolicyObject): Relation {
  const [before, after] = [gatesOf(old), gatesOf(wanted)];
  const lies = (inner: readonly Capability[], outer: readonly Capability[]): boolean =>
    outer.every((gate) => inner.some((each) => covers(gate, each)));
  return contained(lies(after, before), lies(before, after));
}

function gatesOf({ capability, scope }: PolicyObject): readonly Capability[] {
  return scope === undefined ? [capability] : [parseScope(capability, scope), capability];
}

function authorityText({ capability, scope }: PolicyObject): string {
  return scope === undefined ? capability.text : `${capability.text} within ${scope}`;
}

function endText({ at, lasts }: End): string {
  if (lasts !== undefined) return lasts;
  return at === undefined ? "never" : formatInstant(at);
}

function keyOf(link: LinkRecord | undefined): string {
  return link?.policyKey ?? link?.id ?? "?";
}
