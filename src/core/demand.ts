import {
  type Capability,
  covers,
  parseCapability,
  parseRequirement,
  parseScope,
} from "../model/capability/index.js";
import { boundedText } from "../model/bounded-text.js";
import { copyJson } from "../model/copy-json.js";
import { decide, type Decision, type DecisionRequest } from "../model/decide.js";
import type { DenialReason } from "../model/denial.js";
import { CapabilitySyntaxError, InvalidContextError, InvalidDataError } from "../model/errors.js";
import { isIdentifier } from "../model/identifier.js";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import type { State } from "../model/state.js";
import { type Action, openAction, type Preparation, prepareParams } from "./action.js";
import type { SecureExecutionContext } from "./context.js";
import type { CheckRequest } from "./check.js";
import { failureOf } from "./settle.js";

/** A request as it is decided: what was understood of it, or why nothing could be (SEMANTICS D4). */
export interface Demand extends DecisionRequest {
  readonly params: JsonObject;
  readonly refusal: { readonly reason: DenialReason; readonly detail: string } | undefined;
}

interface Asked {
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
}

/**
 * What a step asks for: `requires(params)` on the frozen parameters, under the context's own ceiling (G3, A4).
 *
 * @param ceilings capability texts one of which must cover each requirement; undefined: no such bound (A5).
 */
export function demandForAction(
  context: SecureExecutionContext,
  ceilings: readonly string[] | undefined,
  preparation: Preparation,
): Demand {
  return understood(context, () => {
    const params = copyParams(prepareParams(context.action, context.actionParams, preparation));
    const requirements = requirementsOf(context.action, params);
    refuseTooLong(context.action, requirements);
    const first = concrete(context.requiredCapability);
    const ceiling =
      context.capabilityScope === undefined ? [first] : [first, parseScope(first, context.capabilityScope)];
    refuseOutside(ceilings, requirements);
    const { paramsOnUse } = openAction(context.action);
    return { params, requirements, ceiling, paramsOnUse };
  });
}

/**
 * What an action requires with these parameters, which are filled in and frozen.
 * @throws whatever cannot be understood: a denial, never an exception, for those who decide about it (D4).
 */
export function requirementsOf(action: Action, params: JsonObject): readonly Capability[] {
  return requiredTexts(action, params).map(concrete);
}

/** Most capabilities that one action may require: all of them have to fit into one event. */
export const requirementsMax = 20;
/** UTF-16 units of their canonical texts together, for the same reason. */
export const requirementCharactersMax = 8_192;
const requiredLimits = { depth: 1, values: requirementsMax + 1, characters: 2 * requirementCharactersMax };

/** What `requires` answers, copied at its one reading: an array of a class of its own could lie later. */
function requiredTexts(action: Action, params: JsonObject): readonly JsonValue[] {
  const { requires } = openAction(action);
  const answer: unknown = requires(params);
  try {
    const required = copyJson(answer, requiredLimits);
    return isJsonArray(required) ? required : [required];
  } catch (error) {
    const detail = `what \`${action.name}\` requires is not one to ${requirementsMax} capability texts`;
    throw new Refusal("invalid_capability", `${detail}: ${failureOf(error).message}`);
  }
}

function refuseTooLong(action: Action, requirements: readonly Capability[]): void {
  const characters = requirements.reduce((sum, { text }) => sum + text.length, 0);
  if (characters <= requirementCharactersMax) return;
  throw new Refusal(
    "invalid_capability",
    `what \`${action.name}\` requires has ${characters} characters, the limit is ${requirementCharactersMax}`,
  );
}

function refuseOutside(ceilings: readonly string[] | undefined, requirements: readonly Capability[]): void {
  const bounds = ceilings?.map(concrete);
  const stray = requirements.find((requirement) => bounds?.every((bound) => !covers(bound, requirement)));
  if (stray !== undefined) {
    throw new Refusal(
      "capability_mismatch",
      `the action requires \`${stray.text}\`, which the call did not name`,
    );
  }
}

/** The demand of something that is no context: denied as `invalid_context`, with a record (SEMANTICS D4). */
export function malformedDemand(of: Asked): Demand {
  return understood(of, () => {
    throw new InvalidContextError("$", "what was handed to the executor is not a SecureExecutionContext");
  });
}

/** What a check asks for: the capability itself is the requirement. */
export function demandForCheck(request: CheckRequest): Demand {
  const asked = {
    agentId: isIdentifier(request.agentId) ? request.agentId : "invalid",
    workflowId: isIdentifier(request.workflowId) ? request.workflowId : "check",
    stepId: isIdentifier(request.stepId) ? request.stepId : "check",
  };
  return understood(asked, () => {
    if (!isIdentifier(request.agentId))
      throw new InvalidContextError("agentId", `\`${String(request.agentId)}\` is not an agent id`);
    const requirement = concrete(request.capability);
    return {
      params: copyParams(request.params ?? {}),
      // With a scope, the question is about what lies in both; a narrower scope is the requirement.
      requirements: [request.scope === undefined ? requirement : parseScope(requirement, request.scope)],
      ceiling: [requirement],
    };
  });
}

/** Decides a demand; one that was not understood is denied with its own reason. */
export function decideDemand(demand: Demand, state: State, now: number): Decision {
  if (demand.refusal !== undefined) {
    return { allowed: false, reason: demand.refusal.reason, requirement: undefined, nearest: undefined };
  }
  return decide(demand, state, now);
}

/** A capability as the log shows it: canonical when it can be, else what was asked, cut to a bearable length. */
export function recordedCapability(text: unknown): string {
  if (typeof text !== "string") return "";
  try {
    return parseCapability(text).text;
  } catch {
    return boundedText(text, 1_024);
  }
}

/** A request that is denied before there is anything to decide. */
class Refusal extends Error {
  constructor(
    readonly reason: DenialReason,
    message: string,
  ) {
    super(message);
  }
}

type Understood = Pick<Demand, "params" | "requirements" | "ceiling" | "paramsOnUse">;

function understood(asked: Asked, read: () => Understood): Demand {
  const { agentId, workflowId, stepId } = asked;
  try {
    const { params, requirements, ceiling, paramsOnUse } = read();
    return { agentId, workflowId, stepId, params, requirements, ceiling, paramsOnUse, refusal: undefined };
  } catch (error) {
    // Hostile or malformed input is a denial with a record, never an exception (D4).
    const reason = reasonOf(error);
    const detail = failureOf(error).message;
    return {
      agentId,
      workflowId,
      stepId,
      params: {},
      requirements: [],
      ceiling: [],
      refusal: { reason, detail },
    };
  }
}

function reasonOf(error: unknown): DenialReason {
  try {
    if (error instanceof Refusal) return error.reason;
    if (error instanceof InvalidContextError || error instanceof InvalidDataError) return "invalid_context";
  } catch {
    // A proxy that was thrown and does not let itself be asked what it is.
  }
  return "invalid_capability";
}

/** A requirement names one action: `*` is for grants only (SEMANTICS C). */
function concrete(text: unknown): Capability {
  if (typeof text !== "string") throw new TypeError("a required capability is text");
  return parseRequirement(text);
}

function copyParams(params: unknown): JsonObject {
  const copied = copyJson(params);
  if (!isJsonObject(copied)) throw new InvalidContextError("actionParams", "parameters must be an object");
  return copied;
}

/**
 * What an action requires first with these parameters: the least ceiling for a step that names none. When it
 * cannot be told, text that the guard will refuse and record, so that the refusal has its own event.
 */
export function requiredCapabilityOf(action: Action, params: JsonObject, preparation: Preparation): string {
  try {
    const [first] = requiredTexts(action, copyParams(prepareParams(action, params, preparation)));
    return typeof first === "string" && first !== "" ? first : action.name;
  } catch (error) {
    if (error instanceof CapabilitySyntaxError) return boundedText(error.input, 1_024) || action.name;
    return action.name;
  }
}
