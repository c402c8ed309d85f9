import { type AuditEvent, textMember, timeOf } from "./event.js";
import { asText, type JsonObject } from "./json.js";

/**
 * What an event does to the state of authority. Both projections, the one in memory and the one in a
 * store's tables, apply these changes and nothing else, so an event is interpreted in one place.
 */
export type Change =
  | {
      readonly kind: "contract";
      readonly id: string;
      readonly supersedes?: string;
      readonly event: AuditEvent;
    }
  | {
      readonly kind: "binding";
      readonly id: string;
      readonly supersedes?: string;
      readonly event: AuditEvent;
    }
  | { readonly kind: "revoke"; readonly id: string; readonly seq: number }
  | { readonly kind: "suspend"; readonly agentId: string; readonly suspended: boolean }
  | { readonly kind: "charge"; readonly id: string; readonly at: number; readonly perMs: number | undefined }
  | { readonly kind: "open"; readonly requestId: string; readonly event: AuditEvent }
  | { readonly kind: "close"; readonly requestId: string };

/** Types of events that say who may do what, whoever they are about. */
export const authorityEvents: readonly string[] = Object.freeze([
  "capability_created",
  "capability_revoked",
  "binding_created",
  "binding_revoked",
  "agent_suspended",
  "agent_unsuspended",
]);

/** The changes that one event stands for; none for events that grant nothing (`x_…`, checks, effects). */
export function changesOf(event: AuditEvent): readonly Change[] {
  switch (event.event) {
    case "capability_created":
      return [{ kind: "contract", id: textMember(event, "contract_id"), ...superseded(event), event }];
    case "binding_created":
      return [bindingChange(event)];
    case "capability_revoked":
      return [{ kind: "revoke", id: textMember(event, "contract_id"), seq: event.seq }];
    case "binding_revoked":
      return [{ kind: "revoke", id: textMember(event, "binding_id"), seq: event.seq }];
    case "agent_suspended":
    case "agent_unsuspended":
      return [
        {
          kind: "suspend",
          agentId: textMember(event, "agent_id"),
          suspended: event.event === "agent_suspended",
        },
      ];
    case "step_execution_authorized":
    case "capability_checked":
      return authorisation(event);
    case "step_execution_completed":
    case "capability_executed":
    case "step_outcome_unknown":
      return [{ kind: "close", requestId: textMember(event, "request_id") }];
    default:
      return [];
  }
}

/** A guard's authorisation charges its chains and opens a step; a mere check (`charged` absent) does neither. */
function authorisation(event: AuditEvent): readonly Change[] {
  const charged = event["charged"];
  if (!Array.isArray(charged)) return [];
  const at = timeOf(event);
  const charges = (charged as readonly JsonObject[]).map((charge): Change => ({
    kind: "charge",
    id: textMember(charge, "id"),
    at,
    perMs: typeof charge["per_ms"] === "number" ? charge["per_ms"] : undefined,
  }));
  return [...charges, { kind: "open", requestId: textMember(event, "request_id"), event }];
}

function bindingChange(event: AuditEvent): Change {
  const id = asText(event["binding_id"], "binding_id");
  const supersedes = event["supersedes"];
  return typeof supersedes === "string"
    ? { kind: "binding", id, supersedes, event }
    : { kind: "binding", id, event };
}

function superseded(event: AuditEvent): { readonly supersedes?: string } {
  const supersedes = event["supersedes"];
  return typeof supersedes === "string" ? { supersedes } : {};
}
