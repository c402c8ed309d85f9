import { blobKeyOf } from "./commitment.js";
import type { BlobKey } from "./store.js";
import { type Capability, parseRequirement, parseScope } from "../model/capability/index.js";
import { decide, type Decision, type DecisionRequest } from "../model/decide.js";
import { type DenialReason, denialReasons } from "../model/denial.js";
import { StoreError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import type { State } from "../model/state.js";
import { parseInstant } from "../model/time.js";

/** What was decided about a request then. */
export type RecordedAnswer =
  | { readonly allowed: true; readonly bindingIds: readonly string[] }
  | { readonly allowed: false; readonly reason: DenialReason };

/** One request of the log with its decision: all that a decision follows from, except the bytes of the parameters. */
export interface RecordedRequest {
  /** The event that says what was decided. */
  readonly decision: AuditEvent;
  readonly kind: "step" | "guard" | "check";
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
  readonly runId: string | undefined;
  /** Empty when nothing was understood of it: then no policy had a part in the answer. */
  readonly requirements: readonly Capability[];
  /** As in `DecisionRequest`. */
  readonly ceiling: readonly Capability[];
  /** As in `DecisionRequest`: a script's, whose uses of handles have the arguments that constraints look at. */
  readonly paramsOnUse: boolean;
  /** Commitment to the parameters; undefined: there were none. */
  readonly paramsKey: BlobKey | undefined;
  /** ms since the epoch (SEMANTICS D6). */
  readonly decidedAt: number;
  /** The event that the decision rests on (D6). */
  readonly stateSeq: number;
  readonly answer: RecordedAnswer;
}

/** Types of events that a request and its decision stand in. */
export const requestEvents: ReadonlySet<string> = new Set([
  "step_execution_requested",
  "step_execution_authorized",
  "step_execution_denied",
  "capability_checked",
  "capability_denied",
]);

/**
 * The request that an event decides; undefined for events that decide nothing, and for a question to the
 * enforcer by a version that did not record what exactly was asked.
 *
 * @param before the event before it in the log: a step's request stands there, both being appended at once.
 * @throws StoreError `database_damaged` for a log that this package did not write like that.
 */
export function recordedRequest(
  event: AuditEvent,
  before: AuditEvent | undefined,
): RecordedRequest | undefined {
  switch (event.event) {
    case "step_execution_authorized":
    case "step_execution_denied":
      if (before?.event !== "step_execution_requested" || before.id !== event["request_id"]) {
        throw damaged(event, "its request does not stand before it");
      }
      return read(event, before, "step");
    case "capability_checked":
    case "capability_denied":
      if (!Array.isArray(event["requirements"])) return undefined;
      return read(event, event, event["request_id"] === undefined ? "check" : "guard");
    default:
      return undefined;
  }
}

/**
 * Decides a recorded request again, by the policy that `state` is. What was refused before any policy was asked
 * (a malformed context, a requirement that is none) is refused for the same reason.
 *
 * @param params the frozen parameters; `{}` where no constraint looks at them.
 */
export function decideAgain(request: RecordedRequest, params: JsonValue, state: State): Decision {
  const { answer } = request;
  if (request.requirements.length === 0 && !answer.allowed) {
    return { allowed: false, reason: answer.reason, requirement: undefined, nearest: undefined };
  }
  return decide(demandOf(request, params), state, request.decidedAt);
}

/** The request as `decide` takes it. */
export function demandOf(request: RecordedRequest, params: JsonValue): DecisionRequest {
  const { agentId, workflowId, stepId, requirements, ceiling, paramsOnUse } = request;
  return { agentId, workflowId, stepId, requirements, ceiling, paramsOnUse, params };
}

function read(event: AuditEvent, asked: AuditEvent, kind: RecordedRequest["kind"]): RecordedRequest {
  try {
    const texts = asked["requirements"] as readonly string[];
    const requirements = texts.map(requirementOf);
    const { run_id: runId } = asked;
    return {
      decision: event,
      kind,
      agentId: textMember(asked, "agent_id"),
      workflowId: textMember(asked, "workflow_id"),
      stepId: textMember(asked, "step_id"),
      runId: typeof runId === "string" ? runId : undefined,
      requirements,
      ceiling: requirements.length === 0 ? [] : ceilingOf(asked),
      paramsOnUse: asked["params_on_use"] === true,
      paramsKey: blobKeyOf(asked, "params_commitment"),
      decidedAt: parseInstant(textMember(event, "decided_at")),
      stateSeq: event["state_seq"] as number,
      answer: answerOf(event),
    };
  } catch (error) {
    throw damaged(event, error instanceof Error ? error.message : String(error));
  }
}

function ceilingOf(asked: JsonObject): readonly Capability[] {
  const first = requirementOf(textMember(asked, "capability"));
  const scope = asked["capability_scope"];
  return typeof scope === "string" ? [first, parseScope(first, scope)] : [first];
}

function answerOf(event: AuditEvent): RecordedAnswer {
  if (event.event === "step_execution_authorized" || event.event === "capability_checked") {
    const bindingIds = event["binding_ids"] ?? [textMember(event, "binding_id")];
    return { allowed: true, bindingIds: bindingIds as readonly string[] };
  }
  const reason = denialReasons.find((known) => known === event["reason"]);
  if (reason === undefined) throw new TypeError("its `reason` is not one of the fixed set");
  return { allowed: false, reason };
}

const parsedMax = 10_000;
const parsed = new Map<string, Capability>();

/** A long log asks for the same few things again and again. */
function requirementOf(text: string): Capability {
  let capability = parsed.get(text);
  if (capability === undefined) {
    capability = parseRequirement(text);
    if (parsed.size >= parsedMax) parsed.clear();
    parsed.set(text, capability);
  }
  return capability;
}

function damaged(event: AuditEvent, why: string): StoreError {
  return new StoreError("database_damaged", `event ${event.seq} cannot be decided again: ${why}`, {
    hint: "`synapse audit verify` says whether the log is as it was written",
  });
}
