import type { PolicyAuthority, PolicyDocument } from "./file.js";

/**
 * A policy whose durations never run out, as one that is applied anew at every moment; dates stay. For looking
 * at a time when nobody had applied it, from which no duration counts.
 */
export function withoutDurations(policy: PolicyDocument): PolicyDocument {
  const undated = <T extends PolicyAuthority>(authority: T): T =>
    authority.expires === undefined || authority.expires.includes("-")
      ? authority
      : Object.freeze({ ...authority, expires: undefined });
  return Object.freeze({
    ...policy,
    contracts: Object.freeze(policy.contracts.map(undated)),
    grants: Object.freeze(policy.grants.map(undated)),
  });
}
