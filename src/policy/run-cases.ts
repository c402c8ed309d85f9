import { decideDemand, demandForCheck } from "../core/demand.js";
import { scratchTxOn } from "../core/scratch.js";
import type { DenialReason } from "../model/denial.js";
import { explain } from "../model/explain.js";
import { State } from "../model/state.js";
import { bringTo, refusedGrant } from "./apply.js";
import type { PolicyCase } from "./case-file.js";
import type { PolicyDocument } from "./file.js";
import { withoutDurations } from "./undated.js";

export interface CaseOutcome {
  readonly asked: PolicyCase;
  readonly passed: boolean;
  readonly allowed: boolean;
  readonly reason: DenialReason | undefined;
  readonly explanation: string;
}

/**
 * The state in which a policy and nothing else was just applied, in memory. It stands at the beginning of time,
 * so that any `at` may be asked about, and its durations never run out: they count from an application.
 *
 * @throws DocumentError at a grant that nothing in the file covers.
 */
export function stateOfPolicy(policy: PolicyDocument): State {
  const state = new State();
  bringTo(scratchTxOn(state, 0), withoutDurations(policy), "policy test", refusedGrant(policy));
  return state;
}

/** Decides each case alone, as the guard would: nothing is charged by one before the next. */
export function runCases(cases: readonly PolicyCase[], state: State, now: number): CaseOutcome[] {
  return cases.map((asked) => {
    const { agent: agentId, capability, scope, params } = asked;
    const demand = demandForCheck({ agentId, capability, scope, params });
    const decision = decideDemand(demand, state, asked.at ?? now);
    const reason = decision.allowed ? undefined : decision.reason;
    const passed =
      decision.allowed === (asked.expect === "allow") &&
      (asked.reason === undefined || asked.reason === reason);
    const explanation = demand.refusal?.detail ?? explain(decision, demand);
    return Object.freeze({ asked, passed, allowed: decision.allowed, reason, explanation });
  });
}
