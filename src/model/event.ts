import type { JsonObject } from "./json.js";
import { instantMs } from "./time.js";

/** Version of the serialised events (specification: `protocol_version`). */
export const protocolVersion = "1.0";

/** The four events of a step, in order (specification, Events). */
export const stepEvents = [
  "step_execution_requested",
  "step_execution_authorized",
  "step_execution_denied",
  "step_execution_completed",
] as const;

/** Every event type that this package writes (SEMANTICS E1, E2). A closed set; outsiders add `x_…` only (E3). */
export const coreEvents = [
  ...stepEvents,
  "capability_created",
  "capability_revoked",
  "binding_created",
  "binding_revoked",
  "agent_suspended",
  "agent_unsuspended",
  "policy_applied",
  "capability_checked",
  "capability_denied",
  "capability_executed",
  "run_started",
  "run_completed",
  "run_cancelled",
  "effect_attempted",
  "effect_performed",
  "effect_denied",
  "blob_erased",
  "key_rotated",
  "step_outcome_unknown",
  "step_retry_accepted",
  "mcp_listed",
  "mcp_tool_pinned",
  "mcp_tool_withheld",
  "mcp_pin_accepted",
] as const;

export type CoreEventType = (typeof coreEvents)[number];

/**
 * An event before it is appended: snake_case members, plain data. The writer adds `id`, `seq`,
 * `timestamp` and `protocol_version`.
 */
export interface EventBody extends JsonObject {
  readonly event: string;
}

/** An event as it stands in the log. `timestamp` is RFC 3339 in UTC; `seq` counts from 1 without gaps. */
export interface AuditEvent extends EventBody {
  readonly id: string;
  readonly seq: number;
  readonly timestamp: string;
  readonly protocol_version: string;
}

/**
 * A member of an event that must be text.
 * @throws TypeError when it is not: the log holds an event that this version does not understand.
 */
export function textMember(event: JsonObject, key: string): string {
  const value = event[key];
  if (typeof value !== "string") throw new TypeError(`an event lacks \`${key}\``);
  return value;
}

let lastTimestamp = "";
let lastMs = Number.NaN;

/** When an event was appended, in ms since the Unix epoch; NaN when it does not say so. */
export function timeOf({ timestamp }: AuditEvent): number {
  // Events that were appended together have one time, and each is asked for it more than once.
  if (timestamp !== lastTimestamp) {
    lastMs = instantMs(timestamp);
    lastTimestamp = timestamp;
  }
  return lastMs;
}

/** Largest canonical form of one event, in bytes: an entry of a C2SP tile bundle has a 16-bit length. */
export const eventBytesMax = 65_535;
