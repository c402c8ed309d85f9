import type { BindingRecord, LinkRecord } from "./authority.js";
import { canonicalJson } from "./canonical.js";
import { type Capability, covers } from "./capability/index.js";
import { avoidsExceptions } from "./constraint/index.js";
import { compileParams } from "./constraint/params.js";
import { compileWhen } from "./constraint/when.js";
import type { DenialReason } from "./denial.js";
import { formatInstant } from "./time.js";
import { isJsonArray, isJsonObject, type JsonValue } from "./json.js";

/** What a chain is asked for. */
export interface ChainRequest {
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
  readonly requirement: Capability;
  readonly params: JsonValue;
  /** True when `params` and `when` are asked of each use instead, by `parametersRefusal`. */
  readonly paramsOnUse?: boolean;
}

/** Why a chain does not allow: the reason, and for the operator the link and the detail that decided it. */
export interface ChainRefusal {
  readonly reason: DenialReason;
  readonly binding: BindingRecord;
  readonly link: LinkRecord;
  readonly detail: string;
}

/** Largest canonical parameters that `params` and `when` look at, in characters and nesting (SEMANTICS K1). */
export const constrainedParamsCharactersMax = 64 * 1024;
export const constrainedParamsDepthMax = 32;

/**
 * Whether one binding's chain allows a requirement that its capability covers; undefined when it does.
 * Checks stand in the order of precedence (D2); every link is asked (A3, A4, K).
 */
export function refusalOf(
  binding: BindingRecord,
  request: ChainRequest,
  now: number,
): ChainRefusal | undefined {
  return (
    livenessRefusal(binding, now) ??
    scopeRefusal(binding, request) ??
    constraintRefusal(binding, request, now)
  );
}

/** Revocation and time alone: what is asked again while a step runs (D7). */
export function livenessRefusal(binding: BindingRecord, now: number): ChainRefusal | undefined {
  const { chain } = binding;
  const contract = chain[chain.length - 1] as LinkRecord;
  const refuse = (reason: DenialReason, link: LinkRecord, detail: string): ChainRefusal => ({
    reason,
    binding,
    link,
    detail,
  });
  if (isPast(contract.expiresAt, now))
    return refuse("contract_expired", contract, `it ended ${when(contract.expiresAt)}`);
  if (contract.revokedSeq !== undefined) return refuse("contract_revoked", contract, "it was revoked");
  for (const link of chain) {
    if (link.notBefore !== undefined && !(now >= link.notBefore)) {
      return refuse("binding_not_yet_valid", link, `it begins ${when(link.notBefore)}`);
    }
  }
  for (const link of chain) {
    if (isPast(link.expiresAt, now))
      return refuse("binding_expired", link, `it ended ${when(link.expiresAt)}`);
  }
  for (const link of chain) {
    if (link.revokedSeq !== undefined) return refuse("binding_revoked", link, "it was revoked");
  }
  return undefined;
}

function scopeRefusal(binding: BindingRecord, { requirement }: ChainRequest): ChainRefusal | undefined {
  if (binding.gates.every((gate) => covers(gate, requirement))) return undefined;
  const link =
    binding.chain.find(
      (each) => !covers(each.scope ?? each.capability, requirement) || !covers(each.capability, requirement),
    ) ?? binding;
  const limit = (link.scope ?? link.capability).text;
  return {
    reason: "scope_exceeded",
    binding,
    link,
    detail: `\`${requirement.text}\` is outside \`${limit}\``,
  };
}

function constraintRefusal(
  binding: BindingRecord,
  request: ChainRequest,
  now: number,
): ChainRefusal | undefined {
  const violation = firstViolation(binding, (link) => violationOf(link, request, now));
  if (violation?.reason === "constraint_violated") return violation;
  for (const link of binding.chain) {
    if (link.window !== undefined && isWindowFull(link.window, now)) {
      const { limit, per } = link.constraints.rate ?? { limit: 0, per: "" };
      return { reason: "rate_limited", binding, link, detail: `${limit} in any ${per} are used` };
    }
  }
  for (const link of binding.chain) {
    const max = link.constraints.max_uses;
    if (max !== undefined && link.uses >= max) {
      return { reason: "uses_exhausted", binding, link, detail: `all ${max} uses are spent` };
    }
  }
  for (const link of binding.chain) {
    if (link.constraints.approval !== undefined) {
      return { reason: "approval_required", binding, link, detail: "a person has to approve this step" };
    }
  }
  return violation;
}

type Violation =
  { readonly reason: "constraint_violated" | "policy_error"; readonly detail: string } | undefined;

/** `policy_error` stands last in the order of precedence (D2), so a plain refusal by another link goes first. */
function firstViolation(
  binding: BindingRecord,
  violationBy: (link: LinkRecord) => Violation,
): ChainRefusal | undefined {
  let error: ChainRefusal | undefined;
  for (const link of binding.chain) {
    const violation = violationBy(link);
    if (violation?.reason === "policy_error") error ??= { ...violation, binding, link };
    else if (violation !== undefined) return { ...violation, binding, link };
  }
  return error;
}

function violationOf(link: LinkRecord, request: ChainRequest, now: number): Violation {
  if (!avoidsExceptions(link.excluded, request.requirement)) {
    return {
      reason: "constraint_violated",
      detail: `\`${request.requirement.text}\` touches what \`except\` leaves out`,
    };
  }
  return request.paramsOnUse === true ? undefined : parametersViolation(link, request, now);
}

/**
 * What `params` and `when` of a whole chain say about the arguments of one use, where the decision left them
 * for it (K, for handles of a script); undefined when all of them hold.
 */
export function parametersRefusal(
  binding: BindingRecord,
  request: ChainRequest,
  now: number,
): ChainRefusal | undefined {
  return firstViolation(binding, (link) => parametersViolation(link, request, now));
}

function parametersViolation(link: LinkRecord, request: ChainRequest, now: number): Violation {
  const { params, when: condition } = link.constraints;
  if (params === undefined && condition === undefined) return undefined;
  try {
    if (
      canonicalJson(request.params).length > constrainedParamsCharactersMax ||
      depthOf(request.params) > constrainedParamsDepthMax
    ) {
      return { reason: "constraint_violated", detail: "the parameters are too large to be checked" };
    }
    const wrong = params === undefined ? undefined : compileParams(params)(request.params);
    if (wrong !== undefined) return { reason: "constraint_violated", detail: `parameters: ${wrong}` };
    if (condition !== undefined && !compileWhen(condition)(contextOf(request, now))) {
      return { reason: "constraint_violated", detail: `the condition \`${condition}\` does not hold` };
    }
  } catch (error) {
    // K: an error is a denial. The message is for the operator.
    return { reason: "policy_error", detail: error instanceof Error ? error.message : String(error) };
  }
  return undefined;
}

function contextOf(request: ChainRequest, now: number) {
  return {
    agent: request.agentId,
    workflow: request.workflowId,
    step: request.stepId,
    params: request.params,
    now: formatInstant(now),
  };
}

function depthOf(value: JsonValue): number {
  if (!isJsonArray(value) && !isJsonObject(value)) return 0;
  let deepest = 0;
  for (const member of isJsonArray(value) ? value : Object.values(value))
    deepest = Math.max(deepest, depthOf(member));
  return deepest + 1;
}

function isWindowFull(window: NonNullable<LinkRecord["window"]>, now: number): boolean {
  const oldest = window.times[window.times.length - window.limit];
  return oldest !== undefined && !(oldest <= now - window.perMs);
}

/** Comparisons of time are written so that a time that is no number (NaN) allows nothing. */
function isPast(expiresAt: number | undefined, now: number): boolean {
  return expiresAt !== undefined && !(now < expiresAt);
}

function when(at: number | undefined): string {
  return at === undefined ? "never" : formatInstant(at);
}
