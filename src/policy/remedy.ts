import { createBinding, issueContract } from "../core/authority.js";
import { scratchTxOn } from "../core/scratch.js";
import type { Capability } from "../model/capability/index.js";
import type { Constraints } from "../model/constraint/index.js";
import { decide, type Decision, type DecisionRequest } from "../model/decide.js";
import { NoAuthorityError } from "../model/errors.js";
import { isJsonObject, type JsonObject } from "../model/json.js";
import type { State } from "../model/state.js";

/** One change of authority that an operator can make. */
export type RemedyStep =
  | { readonly do: "unsuspend"; readonly agent: string }
  | { readonly do: "issue"; readonly agent: string; readonly capability: string }
  | {
      readonly do: "bind";
      readonly agent: string;
      readonly capability: string;
      readonly constraints: Constraints;
      /** Under a contract that is issued for it alone, since every older one would refuse it, too. */
      readonly ownContract: boolean;
    };

/**
 * The fewest changes that would make `decide` allow a request, each tried on a copy of the state; undefined when
 * no grant would (a malformed request, or one beyond its own ceiling). Binds exactly what is required and no
 * more, and a program to exactly these parameters (SEMANTICS H6) where they are known.
 *
 * @param stateNow gives a copy of the state as it is now, to be changed.
 */
export function remedyFor(
  request: DecisionRequest,
  stateNow: () => State,
  now: number,
): readonly RemedyStep[] | undefined {
  const steps: RemedyStep[] = [];
  const { agentId: agent } = request;
  // Each turn settles one refusal for good: a suspension, or one of the requirements.
  for (let turn = 0; turn <= request.requirements.length + 1; turn++) {
    const answer = tryOut(request, steps, stateNow(), now);
    if (answer === undefined) return undefined;
    if (answer.allowed) return steps;
    const { reason, requirement } = answer;
    if (reason === "agent_suspended") {
      steps.push({ do: "unsuspend", agent });
      continue;
    }
    if (requirement === undefined || reason === "capability_mismatch") return undefined;
    const bind = bindingFor(request, requirement);
    const found = [
      [bind],
      [{ do: "issue", agent, capability: requirement.text } as const, bind],
      [{ ...bind, ownContract: true }],
    ].find((more) => settles(tryOut(request, [...steps, ...more], stateNow(), now), requirement));
    if (found === undefined) return undefined;
    steps.push(...found);
  }
  return undefined;
}

function bindingFor(request: DecisionRequest, requirement: Capability): RemedyStep & { readonly do: "bind" } {
  const constraints = requirement.domain === "os" ? confinement(request.params) : {};
  const { agentId: agent } = request;
  return { do: "bind", agent, capability: requirement.text, constraints, ownContract: false };
}

/** Exactly these arguments; where none are known there is nothing to confine a program to. */
function confinement(params: unknown): Constraints {
  const args = isJsonObject(params as JsonObject) ? (params as JsonObject)["args"] : undefined;
  if (args === undefined) return { unconfined: true };
  return { params: { type: "object", required: ["args"], properties: { args: { const: args } } } };
}

/** Undefined when it would be refused to do these. */
function tryOut(
  request: DecisionRequest,
  steps: readonly RemedyStep[],
  state: State,
  now: number,
): Decision | undefined {
  const tx = scratchTxOn(state, now);
  for (const step of steps) {
    if (step.do === "unsuspend") {
      tx.emit({ event: "agent_unsuspended", agent_id: step.agent, by: "remedy" });
      continue;
    }
    const { agent, capability } = step;
    const issue = () => issueContract(tx, { capability, issuedTo: agent, issuedBy: "remedy" });
    if (step.do === "issue") {
      issue();
      continue;
    }
    const contractId = step.ownContract ? issue().id : undefined;
    try {
      const { constraints } = step;
      createBinding(tx, { agentId: agent, capability, createdBy: "remedy", constraints, contractId });
    } catch (error) {
      if (!(error instanceof NoAuthorityError)) throw error;
      return undefined;
    }
  }
  return decide(request, state, now);
}

function settles(answer: Decision | undefined, requirement: Capability): boolean {
  if (answer === undefined) return false;
  return answer.allowed || answer.requirement !== requirement;
}
