import { type CoreEventType, protocolVersion } from "../event.js";
import type { JsonObject } from "../json.js";
import {
  charge,
  commitment,
  count,
  flag,
  instant,
  listOf,
  type MemberCheck,
  name,
  object,
  oneOf,
  optional,
  orNull,
  positive,
  seed,
  text,
} from "./member-check.js";

/** The members that an event has, each with what it has to be; it may have others beside them. */
export type Shape = Readonly<Record<string, MemberCheck>>;

/** What every event has (SEMANTICS E1). */
const envelope: Shape = {
  event: name,
  id: name,
  seq: positive,
  timestamp: instant,
  protocol_version: oneOf(protocolVersion),
};

const stepMembers: Shape = {
  workflow_id: name,
  step_id: name,
  agent_id: name,
  capability: text,
  run_id: orNull(name),
  attempt: positive,
  trace_id: text,
  audit_reference: text,
};

const asked: Shape = {
  action: text,
  requirements: listOf(text),
  capability_scope: optional(text),
  params_on_use: optional(flag),
  params_commitment: commitment,
  execution_seed: seed,
  created_at: instant,
};

const decided: Shape = { request_id: name, decided_at: instant, state_seq: count };
const authorized: Shape = {
  binding_id: name,
  binding_ids: listOf(name),
  charged: listOf(charge),
  writer: optional(name),
};
const refused: Shape = { reason: name, explanation: text };
const ended: Shape = {
  request_id: name,
  binding_id: name,
  result: oneOf("success", "failure"),
  duration_ms: count,
  effects: count,
  code: optional(name),
  output_commitment: optional(commitment),
  output_seq: optional(positive),
  late_output_commitment: optional(commitment),
  late_output_seq: optional(positive),
  abandoned: optional(flag),
};
const effect: Shape = { ...stepMembers, request_id: name, effect: name, n: positive };
const effectTarget: Shape = { capability: text, capabilities: listOf(text) };
const link: Shape = {
  capability: name,
  scope: optional(text),
  constraints: object,
  expires_at: optional(instant),
  delegable: flag,
  policy: optional(name),
  policy_key: optional(name),
  supersedes: optional(name),
};
const revocation: Shape = { capability: name, revoked_by: name, reason: optional(text) };
const suspension: Shape = { agent_id: name, by: name, reason: optional(text) };
const runEnd: Shape = {
  run_id: name,
  workflow_id: name,
  status: name,
  counts: object,
  report_commitment: commitment,
};
/** `hash`: SHA-256 of what of the tool's definition is pinned, in RFC 8785 form. */
const digest = commitment;
const mcpTool: Shape = { server: name, tool: text, hash: digest };
const check: Shape = { agent_id: name, workflow_id: name, step_id: name, capability: text };

/** Members that the guard's records have beyond those of a mere check (SEMANTICS E2). */
const guarded: Shape = { ...stepMembers, ...asked, ...decided };

const shapes: Readonly<Record<CoreEventType, Shape>> = {
  step_execution_requested: { ...stepMembers, ...asked },
  step_execution_authorized: { ...stepMembers, ...decided, ...authorized },
  step_execution_denied: { ...stepMembers, ...decided, ...refused },
  step_execution_completed: { ...stepMembers, ...ended },
  capability_created: { contract_id: name, ...link, issued_to: name, issued_by: name },
  capability_revoked: { contract_id: name, ...revocation },
  binding_created: {
    binding_id: name,
    agent_id: name,
    ...link,
    created_by: name,
    contract_id: optional(name),
    parent_id: optional(name),
  },
  binding_revoked: { binding_id: name, agent_id: name, ...revocation },
  agent_suspended: suspension,
  agent_unsuspended: suspension,
  policy_applied: { policy: name, file: text, policy_commitment: commitment, changes: positive, by: name },
  capability_checked: { ...check, binding_id: name },
  capability_denied: { ...check, ...refused },
  capability_executed: { ...stepMembers, ...ended },
  run_started: {
    run_id: name,
    workflow_id: name,
    definition_commitment: commitment,
    definition_seq: optional(positive),
    inputs_commitment: commitment,
    inputs_seq: optional(positive),
    seed,
    steps: count,
    writer: optional(name),
    working_folder: optional(text),
    resumes: optional(flag),
    replays: optional(name),
  },
  run_completed: runEnd,
  run_cancelled: runEnd,
  effect_attempted: {
    ...effect,
    ...effectTarget,
    request_commitment: optional(commitment),
    request_shares: optional(flag),
  },
  effect_performed: {
    ...effect,
    ...effectTarget,
    result: oneOf("success", "failure"),
    code: optional(name),
    answer_commitment: optional(commitment),
  },
  // A late result has no target: giving it out is the effect.
  effect_denied: { ...effect, capabilities: optional(listOf(text)), reason: name, detail: text },
  step_outcome_unknown: { request_id: name },
  step_retry_accepted: {
    run_id: name,
    step_id: name,
    by: name,
    decision: oneOf("retry", "accept_as_failed"),
  },
  blob_erased: { ref: commitment, by: name, why: text },
  mcp_listed: {
    run_id: name,
    agent_id: name,
    server: name,
    list: oneOf("tools", "resources", "resource_templates", "prompts"),
    shown: count,
    hidden: count,
    answer_commitment: commitment,
    answer_seq: optional(positive),
  },
  mcp_tool_pinned: { ...mcpTool, agent_id: name, definition_commitment: commitment },
  mcp_tool_withheld: {
    ...mcpTool,
    agent_id: name,
    definition_commitment: commitment,
    reason: oneOf("changed", "suspicious_text", "near_equal_name"),
    detail: text,
    pinned: optional(digest),
  },
  mcp_pin_accepted: { ...mcpTool, by: name },
  key_rotated: { old_vkey: name, new_vkey: name, by: name },
};

/** Every type of event that is known, those of outsiders (`x_…`) aside. */
export const knownEvents: readonly string[] = Object.freeze(Object.keys(shapes));

/** The members that events of a known type have beyond those of every event, optional ones included. */
export function membersOf(type: CoreEventType): readonly string[] {
  return Object.keys(shapes[type]);
}

/** All members of a type of event that is no mere check, those of every event among them. */
export function shapeOf(type: CoreEventType): Shape {
  return { ...envelope, ...shapes[type], event: oneOf(type) };
}

/** What is wrong with the members of an event; undefined when nothing is. Members beyond the known are let be. */
export function shapeFault(event: JsonObject): string | undefined {
  const wrong = faultIn(event, envelope);
  if (wrong !== undefined) return wrong;
  const type = event["event"] as string;
  if (/^x_[a-z0-9_]{1,64}$/.test(type)) return undefined;
  if (!Object.hasOwn(shapes, type)) return `\`${type.slice(0, 100)}\` is not a known type of event`;
  return (
    faultIn(event, shapes[type as CoreEventType]) ??
    (isGuarded(event) ? faultIn(event, guarded) : undefined) ??
    (type === "capability_checked" && isGuarded(event) ? faultIn(event, authorized) : undefined)
  );
}

/** Whether a check or its denial is the guard's, which opens a request of its own, and not a mere question. */
export function isGuarded(event: JsonObject): boolean {
  const type = event["event"];
  return (type === "capability_checked" || type === "capability_denied") && event["request_id"] !== undefined;
}

function faultIn(event: JsonObject, shape: Shape): string | undefined {
  for (const member of Object.keys(shape)) {
    if (shape[member]?.holds(event[member]) !== true) {
      return event[member] === undefined
        ? `it lacks \`${member}\``
        : `its \`${member}\` is not what it should be`;
    }
  }
  return undefined;
}
