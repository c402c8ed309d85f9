import type { BindingRecord, LinkRecord } from "./authority.js";
import { type Capability, covers } from "./capability/index.js";
import { avoidsExceptions } from "./constraint/index.js";
import { compileParams } from "./constraint/params.js";
import { compileWhen } from "./constraint/when.js";
import type { DenialReason } from "./denial.js";
import type { JsonValue } from "./json.js";
import { isTooLarge } from "./params-size.js";
import { formatInstant } from "./time.js";

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
export class ChainRefusal {
  readonly reason: DenialReason;
  readonly binding: BindingRecord;
  readonly link: LinkRecord;
  readonly #detail: () => string;

  /** @param detail put into words when somebody asks: most denials are told to nobody (D3). */
  constructor(reason: DenialReason, binding: BindingRecord, link: LinkRecord, detail: () => string) {
    this.reason = reason;
    this.binding = binding;
    this.link = link;
    this.#detail = detail;
  }

  get detail(): string {
    return this.#detail();
  }
}

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
  let isAlive = true;
  for (let link: LinkRecord | undefined = binding; link !== undefined; link = link.above) {
    isAlive &&= link.revokedSeq === undefined && !link.isPast(now) && !isYetToBegin(link, now);
  }
  return isAlive ? undefined : whyNotAlive(binding, now);
}

/** The first in the order of precedence; some link is known to be revoked, past or yet to begin. */
function whyNotAlive(binding: BindingRecord, now: number): ChainRefusal | undefined {
  const { chain } = binding;
  const contract = chain[chain.length - 1] as LinkRecord;
  const refuse = (reason: DenialReason, link: LinkRecord, detail: () => string): ChainRefusal =>
    new ChainRefusal(reason, binding, link, detail);
  if (contract.isPast(now))
    return refuse("contract_expired", contract, () => `it ended ${when(contract.expiresAt)}`);
  if (contract.revokedSeq !== undefined) return refuse("contract_revoked", contract, () => "it was revoked");
  const early = chain.find((link) => isYetToBegin(link, now));
  if (early !== undefined)
    return refuse("binding_not_yet_valid", early, () => `it begins ${when(early.notBefore)}`);
  const past = chain.find((link) => link.isPast(now));
  if (past !== undefined) return refuse("binding_expired", past, () => `it ended ${when(past.expiresAt)}`);
  const revoked = chain.find((link) => link.revokedSeq !== undefined);
  return revoked === undefined ? undefined : refuse("binding_revoked", revoked, () => "it was revoked");
}

function scopeRefusal(binding: BindingRecord, { requirement }: ChainRequest): ChainRefusal | undefined {
  if (binding.isOpenFor(requirement)) return undefined;
  const link =
    binding.chain.find(
      (each) => !covers(each.scope ?? each.capability, requirement) || !covers(each.capability, requirement),
    ) ?? binding;
  const limit = (link.scope ?? link.capability).text;
  return new ChainRefusal(
    "scope_exceeded",
    binding,
    link,
    () => `\`${requirement.text}\` is outside \`${limit}\``,
  );
}

function constraintRefusal(
  binding: BindingRecord,
  request: ChainRequest,
  now: number,
): ChainRefusal | undefined {
  // Most chains have none, and nothing has to be put into order for those.
  let link: LinkRecord | undefined = binding;
  while (link?.isConstrained === false) link = link.above;
  if (link === undefined) return undefined;
  const violation = firstViolation(binding, request, now, violationOf);
  if (violation?.reason === "constraint_violated") return violation;
  return counterRefusal(binding, now) ?? approvalRefusal(binding) ?? violation;
}

function counterRefusal(binding: BindingRecord, now: number): ChainRefusal | undefined {
  for (let link: LinkRecord | undefined = binding; link !== undefined; link = link.above) {
    if (link.window === undefined || !isWindowFull(link.window, now)) continue;
    const { limit, per } = link.constraints.rate ?? { limit: 0, per: "" };
    return new ChainRefusal("rate_limited", binding, link, () => `${limit} in any ${per} are used`);
  }
  for (let link: LinkRecord | undefined = binding; link !== undefined; link = link.above) {
    const max = link.constraints.max_uses;
    if (max !== undefined && link.uses >= max)
      return new ChainRefusal("uses_exhausted", binding, link, () => `all ${max} uses are spent`);
  }
  return undefined;
}

function approvalRefusal(binding: BindingRecord): ChainRefusal | undefined {
  for (let link: LinkRecord | undefined = binding; link !== undefined; link = link.above) {
    if (link.constraints.approval !== undefined)
      return new ChainRefusal("approval_required", binding, link, () => "a person has to approve this step");
  }
  return undefined;
}

type Violation =
  { readonly reason: "constraint_violated" | "policy_error"; readonly detail: () => string } | undefined;

/** `policy_error` stands last in the order of precedence (D2), so a plain refusal by another link goes first. */
function firstViolation(
  binding: BindingRecord,
  request: ChainRequest,
  now: number,
  violationBy: (link: LinkRecord, request: ChainRequest, now: number) => Violation,
): ChainRefusal | undefined {
  let error: ChainRefusal | undefined;
  for (let link: LinkRecord | undefined = binding; link !== undefined; link = link.above) {
    if (!link.isConstrained) continue;
    const violation = violationBy(link, request, now);
    if (violation === undefined) continue;
    const refusal = new ChainRefusal(violation.reason, binding, link, violation.detail);
    if (violation.reason === "constraint_violated") return refusal;
    error ??= refusal;
  }
  return error;
}

function violationOf(link: LinkRecord, request: ChainRequest, now: number): Violation {
  if (!avoidsExceptions(link.excluded, request.requirement)) {
    return {
      reason: "constraint_violated",
      detail: () => `\`${request.requirement.text}\` touches what \`except\` leaves out`,
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
  return firstViolation(binding, request, now, parametersViolation);
}

function parametersViolation(link: LinkRecord, request: ChainRequest, now: number): Violation {
  const { params, when: condition } = link.constraints;
  if (params === undefined && condition === undefined) return undefined;
  try {
    if (isTooLarge(request.params)) {
      return { reason: "constraint_violated", detail: () => "the parameters are too large to be checked" };
    }
    const wrong = params === undefined ? undefined : compileParams(params)(request.params);
    if (wrong !== undefined) return { reason: "constraint_violated", detail: () => `parameters: ${wrong}` };
    if (condition !== undefined && !compileWhen(condition)(contextOf(request, now))) {
      return { reason: "constraint_violated", detail: () => `the condition \`${condition}\` does not hold` };
    }
  } catch (error) {
    // K: an error is a denial. The message is for the operator.
    return { reason: "policy_error", detail: () => (error instanceof Error ? error.message : String(error)) };
  }
  return undefined;
}

let lastInstant = NaN;
let lastText = "";

/** Requests come many a millisecond. */
function instantText(now: number): string {
  if (now !== lastInstant) [lastInstant, lastText] = [now, formatInstant(now)];
  return lastText;
}

function contextOf(request: ChainRequest, now: number) {
  return {
    agent: request.agentId,
    workflow: request.workflowId,
    step: request.stepId,
    params: request.params,
    now: instantText(now),
  };
}

function isWindowFull(window: NonNullable<LinkRecord["window"]>, now: number): boolean {
  const oldest = window.times[window.times.length - window.limit];
  return oldest !== undefined && !(oldest <= now - window.perMs);
}

/** Written so that a time that is no number (NaN) allows nothing. */
function isYetToBegin({ notBefore }: LinkRecord, now: number): boolean {
  return notBefore !== undefined && !(now >= notBefore);
}

function when(at: number | undefined): string {
  return at === undefined ? "never" : formatInstant(at);
}
