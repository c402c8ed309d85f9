/** Why a request is denied, in order of precedence (SEMANTICS D2). A closed set. */
export const denialReasons = [
  "invalid_context",
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
  "approval_rejected",
  "approval_expired",
  "policy_error",
  "audit_unavailable",
] as const;

export type DenialReason = (typeof denialReasons)[number];

const rank = new Map<DenialReason, number>(denialReasons.map((reason, index) => [reason, index]));

/** Whether a chain denied with `a` came further than one denied with `b`: the nearest one is reported. */
export function cameFurther(a: DenialReason, b: DenialReason): boolean {
  return (rank.get(a) ?? 0) > (rank.get(b) ?? 0);
}
