import { copyJson } from "../model/copy-json.js";
import { decide as decideOn, type Decision as StateDecision } from "../model/decide.js";
import type { DenialReason } from "../model/denial.js";
import type { AuditEvent } from "../model/event.js";
import { explain } from "../model/explain.js";
import { State } from "../model/state.js";
import type { CheckRequest, Decision } from "./check.js";
import { demandForCheck } from "./demand.js";

/**
 * What would be decided, given a history of events: a pure function of its arguments. It folds the history
 * (`audit.getEvents()`, or a part of it: the policy as it was then) and decides as the guard does.
 *
 * @param history consecutive events from the first one on.
 * @param now ms since the epoch; earlier than the history's end it counts as that (SEMANTICS D8).
 * @throws InvalidDataError for an event that is not plain data.
 */
export function decide(request: CheckRequest, history: Iterable<AuditEvent>, now: number): Decision {
  const state = new State();
  // The caller's, who may go on changing it: what is kept of an event is frozen.
  for (const event of history) state.fold(copyJson(event) as AuditEvent);
  const demand = demandForCheck(request);
  if (demand.refusal !== undefined) {
    return verdict(false, undefined, demand.refusal.reason, demand.refusal.detail);
  }
  const decision: StateDecision = decideOn(demand, state, now);
  return decision.allowed
    ? verdict(true, decision.bindingId, undefined, explain(decision, demand))
    : verdict(false, undefined, decision.reason, explain(decision, demand));
}

function verdict(
  allowed: boolean,
  bindingId: string | undefined,
  reason: DenialReason | undefined,
  explanation: string,
): Decision {
  return Object.freeze({ allowed, bindingId, reason, explanation });
}
