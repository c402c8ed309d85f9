import type { Decision, DecisionRequest } from "./decide.js";
import type { DenialReason } from "./denial.js";

/**
 * One sentence for the operator on why a request was decided so, computed only when asked for (SEMANTICS D3).
 * It names bindings and limits, so it never goes to an agent.
 */
export function explain(decision: Decision, request: Pick<DecisionRequest, "agentId" | "ceiling">): string {
  if (decision.allowed) return `allowed by binding ${decision.bindingIds.join(", ")}`;
  const asked = decision.requirement === undefined ? "what it asked for" : `\`${decision.requirement.text}\``;
  const { nearest } = decision;
  if (nearest !== undefined) {
    const link =
      nearest.link.kind === "contract" ? `contract ${nearest.link.id}` : `binding ${nearest.link.id}`;
    return `${asked} is denied to ${request.agentId} by ${link} on \`${nearest.link.capability.text}\`: ${nearest.detail}`;
  }
  return (
    sentences[decision.reason]?.(asked, request) ??
    `${asked} is denied to ${request.agentId}: ${decision.reason}`
  );
}

const sentences: Partial<
  Record<DenialReason, (asked: string, request: Pick<DecisionRequest, "agentId" | "ceiling">) => string>
> = {
  invalid_capability: () => "the action requires no capability that could be checked",
  capability_mismatch: (asked, { ceiling }) =>
    `the action requires ${asked}, which the step's own ${ceiling.map((limit) => `\`${limit.text}\``).join(" and ")} does not cover`,
  agent_suspended: (_asked, { agentId }) => `agent ${agentId} is suspended`,
  no_capability: (asked, { agentId }) => `no contract issued to ${agentId} covers ${asked}`,
  contract_expired: (asked, { agentId }) => `the contract that covered ${asked} for ${agentId} has expired`,
  contract_revoked: (asked, { agentId }) => `the contract that covered ${asked} for ${agentId} was revoked`,
  no_binding_found: (asked, { agentId }) =>
    `a contract covers ${asked}, but ${agentId} has no binding for it`,
};

/** What an agent may be told: the reason in plain words, nothing of the policy. */
export function redactedExplanation(reason: DenialReason): string {
  return `this step is not permitted (${reason})`;
}
