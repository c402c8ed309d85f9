import { boundedText } from "../model/bounded-text.js";
import { AuditUnavailableError } from "../model/errors.js";
import { explain } from "../model/explain.js";
import type { Authorization, GuardCall, GuardParts } from "./guard-call.js";
import { commitTo } from "./commitment.js";
import { identityOfMalformed, isGenuineContext, type StepIdentity } from "./context.js";
import { decideDemand, type Demand, demandForAction, malformedDemand } from "./demand.js";
import { authorizedMembers, commonMembers } from "./records.js";
import { denied, type ExecutionResult } from "./result.js";
import { runAuthorized } from "./run-authorized.js";
import { limitsOf } from "./step-limits.js";
import { stampOf } from "./transition-tx.js";

type Verdict = Authorization | { readonly allowed: false; readonly result: ExecutionResult };

// Captured at import, as nothing that was patched later may take part in a verdict.
const { assign, create, freeze } = Object;

/**
 * A verdict as it goes through promises. It has no prototype: a `then` that somebody put on
 * `Object.prototype` would be called with it there, and could put another verdict in its place.
 */
function sealed<T extends Verdict>(verdict: T): T {
  return freeze(assign(create(null) as object, verdict));
}

/**
 * The way of one step (DESIGN): understand what is asked, decide and record it durably, and only then run
 * the action. Nothing here calls an action: `runAuthorized` does, and asks for an `Authorization`.
 */
export async function executeGuarded(parts: GuardParts, call: GuardCall): Promise<ExecutionResult> {
  const { context } = call;
  const genuine = isGenuineContext(context);
  const identity = genuine ? context : identityOfMalformed(context);
  const demand = genuine
    ? demandForAction(context, call.ceilings, { workingFolder: parts.workingFolder })
    : malformedDemand(identity);
  await parts.backoff.wait(identity.agentId);
  const verdict = await authorize(parts, call, identity, genuine ? context.action.name : "", demand);
  parts.backoff.note(identity.agentId, verdict.allowed);
  // A malformed context is never allowed; saying it here keeps the types from having to trust that.
  if (!verdict.allowed) return verdict.result;
  if (!genuine) throw new TypeError("a malformed context was authorised");
  const limits = limitsOf(parts.limits, verdict.bindings, call.options.deadlineMs);
  return runAuthorized(parts, call, { context, demand, limits, authorization: verdict });
}

/** Appends [requested, authorized] or [requested, denied] in one transaction, and decides inside it (D5). */
async function authorize(
  { ledger }: GuardParts,
  { records, options }: GuardCall,
  identity: StepIdentity,
  action: string,
  demand: Demand,
): Promise<Verdict> {
  const common = commonMembers(identity, { runId: options.runId ?? null, attempt: options.attempt ?? 1 });
  const params = commitTo(demand.params);
  const asked = {
    action,
    requirements: demand.requirements.map((requirement) => requirement.text),
    params_commitment: params.ref,
    execution_seed: identity.executionSeed,
    created_at: identity.createdAt,
    ...(identity.capabilityScope === undefined ? {} : { capability_scope: identity.capabilityScope }),
    // Whoever decides this again from the log has to leave the same checks to the effects.
    ...(demand.paramsOnUse === true ? { params_on_use: true } : {}),
  };
  try {
    return await ledger.submit(identity.agentId, (tx): Verdict => {
      tx.keep(params);
      const requestId =
        records.requested === undefined
          ? tx.newId("req")
          : tx.emit({ event: records.requested, ...common, ...asked }).id;
      const about = {
        request_id: requestId,
        decided_at: stampOf(tx.at),
        state_seq: tx.state.seq,
        ...common,
        ...(records.requested === undefined ? asked : {}),
      };
      const decision = decideDemand(demand, tx.state, tx.at);
      if (!decision.allowed) {
        const explanation = boundedText(demand.refusal?.detail ?? explain(decision, demand), 4_000);
        tx.emit({ event: records.denied, reason: decision.reason, explanation, ...about });
        return sealed({ allowed: false, result: denied(identity, decision.reason, explanation) });
      }
      tx.emit({ event: records.authorized, writer: tx.writer, ...about, ...authorizedMembers(decision) });
      return sealed({ allowed: true, requestId, bindings: decision.bindings });
    });
  } catch (error) {
    if (!(error instanceof AuditUnavailableError)) throw error;
    // Fail closed: no durable record, no action.
    return sealed({ allowed: false, result: denied(identity, "audit_unavailable", error.message) });
  }
}
