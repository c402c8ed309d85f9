import { NotFoundError, SynapseError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import type { LogImage } from "./log-image.js";
import { type RecordedRequest, recordedRequest } from "./recorded-request.js";
import { eventAt } from "./log-reader.js";

/**
 * The request that an event belongs to: one that decided it, its request, or an effect or the end of a step.
 *
 * @throws NotFoundError; SynapseError `nothing_decided` for an event of another kind.
 */
export function findRequest(image: LogImage, eventId: string): RecordedRequest {
  const event = find(image, eventId);
  const decision = decisionOf(image, event);
  const before = decision.seq === 1 ? undefined : eventAt(image, decision.seq - 1);
  const request = recordedRequest(decision, before);
  if (request === undefined) {
    throw new SynapseError("nothing_decided", `event \`${eventId}\` (${event.event}) decides nothing`, {
      hint: "give an event of a step or a check: `synapse audit list --event step_execution_denied --json` has their ids",
    });
  }
  return request;
}

/**
 * The frozen parameters of a request; `{}` when they were erased and are not needed.
 * @throws SynapseError `record_erased` when they were and are: nobody can say what was decided about.
 */
export function paramsOf(
  image: LogImage,
  { paramsKey, decision }: RecordedRequest,
  { needed }: { readonly needed: boolean },
): JsonObject {
  if (paramsKey === undefined) return {};
  const bytes = image.blob(paramsKey)?.bytes;
  if (bytes === undefined && !needed) return {};
  if (bytes === undefined) {
    throw new SynapseError(
      "record_erased",
      `the parameters that event \`${decision.id}\` was about are erased`,
      {
        hint: "ask about the capability instead: synapse explain --agent … --capability …",
      },
    );
  }
  return JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
}

function decisionOf(image: LogImage, event: AuditEvent): AuditEvent {
  if (event.event === "step_execution_requested") return eventAt(image, event.seq + 1);
  const requestId = event["request_id"];
  if (recordsEnds.has(event.event) && typeof requestId === "string") {
    const row = image.eventById(requestId);
    if (row !== undefined) return eventAt(image, row.seq + 1);
  }
  return event;
}

/** They name the request that they are about; a guard's own calls have no event of that id. */
const recordsEnds: ReadonlySet<string> = new Set([
  "step_execution_completed",
  "step_outcome_unknown",
  "effect_attempted",
  "effect_performed",
  "effect_denied",
]);

function find(image: LogImage, eventId: string): AuditEvent {
  const row = image.eventById(eventId);
  if (row === undefined) throw new NotFoundError("event", eventId, "synapse audit list --json shows them");
  return eventAt(image, row.seq);
}
