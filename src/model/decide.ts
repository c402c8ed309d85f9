import { BindingRecord, type ContractRecord } from "./authority.js";
import { type Capability, covers } from "./capability/index.js";
import { type ChainRefusal, type ChainRequest, livenessRefusal, refusalOf } from "./chain.js";
import { cameFurther, type DenialReason } from "./denial.js";
import type { JsonValue } from "./json.js";
import type { State } from "./state.js";

/** What a decision is about: one agent, one step, everything its action requires. */
export interface DecisionRequest {
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
  /** What the action requires, the first bounded by the ceiling; at least one (SEMANTICS A5). */
  readonly requirements: readonly Capability[];
  /** The context's `requiredCapability` and `capabilityScope`: all of them must cover the first requirement (A4). */
  readonly ceiling: readonly Capability[];
  readonly params: JsonValue;
  /**
   * True for a script: what `params` and `when` say about every requirement but the first is asked of each
   * effect's own arguments instead of these parameters (K). Everything else is decided here as ever.
   */
  readonly paramsOnUse?: boolean | undefined;
}

/** The answer, with what determined it (STYLE 4). Ids only: no policy text is in it. */
export type Decision =
  | {
      readonly allowed: true;
      /** The binding that grants the first requirement. */
      readonly bindingId: string;
      /** One binding for each requirement, in order. */
      readonly bindingIds: readonly string[];
      readonly bindings: readonly BindingRecord[];
    }
  | {
      readonly allowed: false;
      readonly reason: DenialReason;
      /** The requirement that was refused; undefined when it never came to one. */
      readonly requirement: Capability | undefined;
      /** The chain that came nearest to allowing, and what it lacks. */
      readonly nearest: ChainRefusal | undefined;
    };

/**
 * Decides one request: pure, total, denies everything it does not know (SEMANTICS D1, D2).
 * All or nothing: every requirement needs a binding (A5); several that allow are ranked by D3.
 *
 * @param now ms since the epoch; earlier than the log's last event it counts as that (D8).
 */
export function decide(request: DecisionRequest, state: State, now: number): Decision {
  const at = Math.max(now, state.lastTime);
  // By index: a patched array iterator could otherwise show no requirement where there is one.
  const first = request.requirements[0];
  if (first === undefined) return denied("invalid_capability");
  for (let index = 0; index < request.ceiling.length; index++) {
    if (!covers(request.ceiling[index] as Capability, first)) return denied("capability_mismatch", first);
  }
  if (state.suspended.size > 0 && state.suspended.has(request.agentId))
    return denied("agent_suspended", first);

  let bindings: BindingRecord[] | undefined;
  for (let index = 0; index < request.requirements.length; index++) {
    const requirement = request.requirements[index] as Capability;
    const asked: ChainRequest = {
      agentId: request.agentId,
      workflowId: request.workflowId,
      stepId: request.stepId,
      requirement,
      params: request.params,
      // The first is what the step itself does, with these parameters: it is never left for later.
      paramsOnUse: index > 0 && request.paramsOnUse === true,
    };
    const answer = grantFor(asked, state, at);
    if (!(answer instanceof BindingRecord)) return denied(answer.reason, requirement, answer.nearest);
    // Nearly always there is one requirement.
    if (bindings === undefined) bindings = [answer];
    else bindings.push(answer);
  }
  return allowed(bindings as BindingRecord[]);
}

type Refused = { readonly reason: DenialReason; readonly nearest: ChainRefusal | undefined };

function grantFor(request: ChainRequest, state: State, now: number): BindingRecord | Refused {
  let best: BindingRecord | undefined;
  let nearest: ChainRefusal | undefined;
  const bindings = state.coveringBindings(request.agentId, request.requirement);
  for (let index = 0; index < bindings.length; index++) {
    const binding = bindings[index] as BindingRecord;
    // The index finds by a number that two agents may have, and has compared already. A second lock: it is all that
    // stands between one agent and the authority of another.
    if (binding.agentId !== request.agentId) continue;
    const refusal = refusalOf(binding, request, now);
    if (refusal === undefined) {
      if (best === undefined || isPreferred(binding, best)) best = binding;
    } else if (nearest === undefined || cameFurther(refusal.reason, nearest.reason)) {
      nearest = refusal;
    }
  }
  if (best !== undefined) return best;
  if (nearest !== undefined) return { reason: nearest.reason, nearest };
  return { reason: withoutBinding(request, state, now), nearest: undefined };
}

/** Fewest wildcards, then oldest, then id: the same binding is charged whatever the order of the index (D3). */
function isPreferred(a: BindingRecord, b: BindingRecord): boolean {
  const wildcards = (a.scope ?? a.capability).wildcards - (b.scope ?? b.capability).wildcards;
  if (wildcards !== 0) return wildcards < 0;
  if (a.createdSeq !== b.createdSeq) return a.createdSeq < b.createdSeq;
  return a.id < b.id;
}

/** No binding covers it: say whether a contract would have (D2). */
function withoutBinding({ agentId, requirement }: ChainRequest, state: State, now: number): DenialReason {
  let furthest = 0;
  const contracts = state.contractCandidates(agentId, requirement);
  for (let index = 0; index < contracts.length; index++) {
    const contract = contracts[index] as ContractRecord;
    if (!covers(contract.capability, requirement)) continue;
    if (contract.scope !== undefined && !covers(contract.scope, requirement)) continue;
    const found = contract.isPast(now) ? 1 : contract.revokedSeq !== undefined ? 2 : 3;
    if (found > furthest) furthest = found;
  }
  return withoutBindings[furthest] as DenialReason;
}

/** In the order of precedence. */
const withoutBindings: readonly DenialReason[] = [
  "no_capability",
  "contract_expired",
  "contract_revoked",
  "no_binding_found",
];

/** Whether an agent holds live authority over a capability by any binding, constraints on parameters aside. */
export function holds(agentId: string, requirement: Capability, state: State, now: number): boolean {
  const at = Math.max(now, state.lastTime);
  return state
    .bindingCandidates(agentId, requirement)
    .some(
      (binding) =>
        binding.agentId === agentId &&
        livenessRefusal(binding, at) === undefined &&
        binding.gates.every((gate) => covers(gate, requirement)),
    );
}

function allowed(bindings: readonly BindingRecord[]): Decision {
  const [first] = bindings as [BindingRecord];
  const bindingIds = bindings.length === 1 ? [first.id] : bindings.map(({ id }) => id);
  return { allowed: true, bindingId: first.id, bindingIds, bindings };
}

function denied(reason: DenialReason, requirement?: Capability, nearest?: ChainRefusal): Decision {
  return { allowed: false, reason, requirement, nearest };
}
