import type { BindingRecord, LinkRecord } from "../model/authority.js";
import { type Capability, covers, indexKeys } from "../model/capability/index.js";
import { livenessRefusal } from "../model/chain.js";
import type { Constraints } from "../model/constraint/index.js";
import { decide, type Decision, type DecisionRequest } from "../model/decide.js";
import type { DenialReason } from "../model/denial.js";
import { explain } from "../model/explain.js";
import type { State } from "../model/state.js";
import { formatInstant } from "../model/time.js";

/** A link of a chain as an operator reads it. */
export interface ExplainedLink {
  readonly kind: "contract" | "binding";
  readonly id: string;
  /** The agent of a binding; for a contract, whom it is issued to. */
  readonly agent: string;
  readonly capability: string;
  readonly scope: string | null;
  readonly constraints: Constraints;
  readonly expires_at: string | null;
  readonly uses: number;
  readonly revoked: boolean;
  /** The policy that owns it. */
  readonly policy: string | null;
}

export interface ExplainedRequirement {
  readonly capability: string;
  readonly allowed: boolean;
  readonly reason: DenialReason | null;
  readonly explanation: string;
  /** From the contract down to the binding: that which allows, or that which came nearest. */
  readonly chain: readonly ExplainedLink[];
  /** What the nearest binding lacks; null when it is allowed, or when the agent has nothing of the kind. */
  readonly lacks: string | null;
}

/**
 * Why each requirement is allowed or denied, alone, with the chain that decided it (SEMANTICS D3). It names
 * policy, so it is for the operator.
 */
export function explainRequest(
  request: DecisionRequest,
  state: State,
  now: number,
): readonly ExplainedRequirement[] {
  return request.requirements.map((requirement, index) => {
    const alone = {
      ...request,
      requirements: [requirement],
      ceiling: index === 0 ? request.ceiling : [requirement],
    };
    return explainOne(requirement, decide(alone, state, now), alone, state, now);
  });
}

function explainOne(
  requirement: Capability,
  decision: Decision,
  request: DecisionRequest,
  state: State,
  now: number,
): ExplainedRequirement {
  const said = { capability: requirement.text, explanation: explain(decision, request) };
  if (decision.allowed) {
    const chain = chainOf(decision.bindings[0]);
    return { ...said, allowed: true, reason: null, chain, lacks: null };
  }
  const { reason, nearest } = decision;
  const denied = { ...said, allowed: false, reason };
  if (nearest !== undefined) {
    const lacks = `${nearest.link.kind} ${nearest.link.id}: ${nearest.detail}`;
    return { ...denied, chain: chainOf(nearest.binding), lacks };
  }
  const closest = closestBinding(request.agentId, requirement, state, now);
  if (closest === undefined || reason === "capability_mismatch") return { ...denied, chain: [], lacks: null };
  return {
    ...denied,
    chain: chainOf(closest),
    lacks: covers(closest.capability, requirement)
      ? null
      : `binding ${closest.id}: \`${closest.capability.text}\` does not cover \`${requirement.text}\``,
  };
}

/** Of an agent's living bindings in the same domain, the one that has most of the resource in common. */
function closestBinding(
  agentId: string,
  requirement: Capability,
  state: State,
  now: number,
): BindingRecord | undefined {
  const keys = indexKeys(requirement);
  let best: BindingRecord | undefined;
  let bestScore = -1;
  for (const binding of state.bindingsOf(agentId)) {
    const { capability } = binding;
    if (capability.domain !== requirement.domain || livenessRefusal(binding, now) !== undefined) continue;
    const own = indexKeys(capability);
    const shared = keys.findIndex((key, at) => own[at] !== key);
    const sameAction = capability.action === requirement.action || capability.action === "*";
    const score = (sameAction ? 1_000 : 0) + (shared === -1 ? keys.length : shared);
    if (score > bestScore) [best, bestScore] = [binding, score];
  }
  return best;
}

function chainOf(binding: BindingRecord | undefined): readonly ExplainedLink[] {
  return [...(binding?.chain ?? [])].reverse().map(explainedLink);
}

function explainedLink(link: LinkRecord): ExplainedLink {
  return Object.freeze({
    kind: link.kind,
    id: link.id,
    agent: link.kind === "contract" ? link.issuedTo : link.agentId,
    capability: link.capability.text,
    scope: link.scopeText ?? null,
    constraints: link.constraints,
    expires_at: link.expiresAt === undefined ? null : formatInstant(link.expiresAt),
    uses: link.uses,
    revoked: link.revokedSeq !== undefined,
    policy: link.policy ?? null,
  });
}
