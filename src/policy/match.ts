import type { BindingRecord, ContractRecord, LinkRecord } from "../model/authority.js";
import { canonicalJson } from "../model/canonical.js";
import type { JsonObject } from "../model/json.js";
import { parseExpiry } from "../model/time.js";
import type { PolicyAuthority, PolicyGrant } from "./file.js";

/** How what a policy wants and what the store has go together. */
export interface Pairs<W, O> {
  readonly kept: readonly { readonly wanted: W; readonly old: O }[];
  readonly replaced: readonly { readonly wanted: W; readonly old: O }[];
  readonly added: readonly W[];
  readonly gone: readonly O[];
}

/** Pairs equal ones first, then those that only changed; each is used once, in order. */
export function pairUp<W, O>(
  wanted: readonly W[],
  old: readonly O[],
  isSame: (wanted: W, old: O) => boolean,
  isSuccessor: (wanted: W, old: O) => boolean,
): Pairs<W, O> {
  const left = new Set(old);
  const take = (each: W, fits: (wanted: W, old: O) => boolean): O | undefined => {
    for (const candidate of left) {
      if (!fits(each, candidate)) continue;
      left.delete(candidate);
      return candidate;
    }
    return undefined;
  };
  const kept: { wanted: W; old: O }[] = [];
  const changed = wanted.filter((each) => {
    const found = take(each, isSame);
    if (found !== undefined) kept.push({ wanted: each, old: found });
    return found === undefined;
  });
  const replaced: { wanted: W; old: O }[] = [];
  const added = changed.filter((each) => {
    const found = take(each, isSuccessor);
    if (found !== undefined) replaced.push({ wanted: each, old: found });
    return found === undefined;
  });
  return { kept, replaced, added, gone: [...left] };
}

/** Whether an object says what the policy says. A duration counts from when the object was made (E5). */
export function isSameAuthority(wanted: PolicyAuthority, record: LinkRecord): boolean {
  const expiresAt = wanted.expires === undefined ? undefined : parseExpiry(wanted.expires, record.createdAt);
  return (
    wanted.capability === record.capability.text &&
    (wanted.scope ?? null) === (record.scopeText ?? null) &&
    wanted.delegable === record.delegable &&
    expiresAt === record.expiresAt &&
    canonicalJson(wanted.constraints as unknown as JsonObject) ===
      canonicalJson(record.constraints as unknown as JsonObject)
  );
}

/** A grant also has to rest on a contract that still stands, and on the one it names. */
export function isSameGrant(
  grant: PolicyGrant,
  record: BindingRecord,
  contracts: ReadonlyMap<string, ContractRecord>,
): boolean {
  const above = record.chain.at(-1);
  if (above === undefined || above.revokedSeq !== undefined) return false;
  if (grant.contract !== undefined && contracts.get(grant.contract)?.id !== above.id) return false;
  return grant.agent === record.agentId && isSameAuthority(grant, record);
}
