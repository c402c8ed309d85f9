import type { BindingRecord } from "../model/authority.js";
import { type Capability, covers, parseCapability } from "../model/capability/index.js";
import { type ChainRequest, parametersRefusal } from "../model/chain.js";
import { avoidsExceptions } from "../model/constraint/index.js";
import { EffectDeniedError } from "../model/errors.js";
import type { JsonValue } from "../model/json.js";
import type { EffectUse } from "./ports.js";

/** One thing a step was authorised to do: what was asked, how far it may land, and by which binding. */
export interface Power {
  readonly requirement: Capability;
  /** For the first requirement the context's own capability and scope (A4), for the others themselves. */
  readonly ceiling: readonly Capability[];
  readonly binding: BindingRecord;
  /** Set when `params` and `when` of the binding's chain are asked of each use (K): by whom, in which step. */
  readonly paramsOnUse: Pick<ChainRequest, "agentId" | "workflowId" | "stepId"> | undefined;
}

/**
 * For each capability that a use names, the power that it is used under.
 *
 * @param now ms since the epoch.
 * @throws EffectDeniedError when one of them is not among what the step was authorised to do.
 */
export function powersFor(powers: readonly Power[], use: EffectUse, now: number): readonly Power[] {
  if (use.capabilities.length === 0)
    throw new EffectDeniedError("outside_authority", `\`${use.kind}\` names no capability`);
  return use.capabilities.map((text) => {
    const asked = parseCapability(text);
    const reaching = powers.filter((each) => covers(each.requirement, asked) && reaches(each, asked));
    if (reaching.length === 0) {
      throw new EffectDeniedError(
        "outside_authority",
        `\`${asked.text}\` is not among what this step was authorised to do`,
      );
    }
    return withParameters(reaching, asked, use.request, now);
  });
}

/** The first power whose constraints on parameters hold for this use, where they were left for it (K). */
function withParameters(powers: readonly Power[], asked: Capability, params: JsonValue, now: number): Power {
  let refusal: EffectDeniedError | undefined;
  for (const power of powers) {
    if (power.paramsOnUse === undefined) return power;
    const request = { ...power.paramsOnUse, requirement: asked, params };
    const violation = parametersRefusal(power.binding, request, now);
    if (violation === undefined) return power;
    refusal ??= new EffectDeniedError(
      violation.reason,
      `\`${asked.text}\` may not be used with these arguments`,
    );
  }
  throw refusal ?? new EffectDeniedError("outside_authority", `\`${asked.text}\` has no power`);
}

/** Where a use may land: within the ceiling and every link, clear of every exception (A4, K `except`). */
export function reaches(power: Power, landed: Capability): boolean {
  return power.ceiling.every((limit) => covers(limit, landed)) && withinChain(power.binding, landed);
}

export function withinChain(binding: BindingRecord, landed: Capability): boolean {
  return (
    binding.gates.every((gate) => covers(gate, landed)) &&
    binding.chain.every((link) => avoidsExceptions(link.excluded, landed))
  );
}
