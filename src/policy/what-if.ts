import type { LogImage } from "../core/log-image.js";
import { eventsOfTypes } from "../core/log-reader.js";
import {
  decideAgain,
  type RecordedRequest,
  recordedRequest,
  requestEvents,
} from "../core/recorded-request.js";
import { constrainedParamsCharactersMax } from "../model/params-size.js";
import type { Decision } from "../model/decide.js";
import type { AuditEvent } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import { looksAtParams } from "../model/looks-at-params.js";
import { scratchTxOn } from "../core/scratch.js";
import { bringTo, refusedGrant } from "./apply.js";
import type { PolicyDocument } from "./file.js";
import { decreeEvents, Hypothesis } from "./hypothesis.js";
import { Tally, type WhatIfReport } from "./what-if-report.js";

export interface WhatIfOptions {
  /** Only requests decided at or after this (ms); the earlier ones are still charged. */
  readonly since?: number | undefined;
  /** Only requests of this run. */
  readonly runId?: string | undefined;
  /** Only requests of this agent. */
  readonly agentId?: string | undefined;
  /**
   * As if nothing but the candidate had ever given authority, and nothing had ever been asked for but what was
   * authorised of that part: neither checks nor what was denied may use up its counters.
   */
  readonly alone?: boolean | undefined;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is read of a log. */
export type RecordedLog = Pick<LogImage, "documents" | "eventCount" | "blob">;

const readTypes: ReadonlySet<string> = new Set([...decreeEvents, ...requestEvents]);

/**
 * Whether a policy could be applied to the log as it stands: a candidate with a grant that nothing covers is a
 * mistake in the file, and not a policy under which that grant is denied.
 *
 * @throws DocumentError `invalid_policy` at that grant.
 */
export function assertApplicable(image: LogImage, policy: PolicyDocument): void {
  const state = image.state();
  bringTo(scratchTxOn(state, state.lastTime), policy, "what-if", refusedGrant(policy));
}

/**
 * Decides every recorded request again, as it would have been with another policy, and says which decisions
 * would differ (docs/policy.md). Reads a page of the log at a time and appends nothing (SEMANTICS R4).
 *
 * @throws StoreError `database_damaged` for a log that cannot be read.
 */
export async function whatIf(
  image: RecordedLog,
  policy: PolicyDocument,
  options: WhatIfOptions = {},
): Promise<WhatIfReport> {
  const hypothesis = new Hypothesis(policy, { alone: options.alone === true });
  const tally = new Tally();
  let before: AuditEvent | undefined;
  for await (const page of eventsOfTypes(image, readTypes, options)) {
    for (const event of page) {
      if (decreeEvents.has(event.event)) hypothesis.take(event);
      else {
        const request = recordedRequest(event, before);
        if (request === undefined) {
          if (event.event !== "step_execution_requested") tally.unrecorded();
        } else if (options.alone !== true || isDone(request, options)) {
          const decision = decideUnder(hypothesis, request, image);
          if (isAskedAbout(request, options)) tally.count(request, decision);
        }
      }
      before = event;
    }
  }
  return tally.report(policy.name);
}

function isDone(request: RecordedRequest, options: WhatIfOptions): boolean {
  return request.answer.allowed && request.kind !== "check" && isAskedAbout(request, options);
}

function isAskedAbout(request: RecordedRequest, { since, runId, agentId }: WhatIfOptions): boolean {
  return (
    (since === undefined || request.decidedAt >= since) &&
    (runId === undefined || request.runId === runId) &&
    (agentId === undefined || request.agentId === agentId)
  );
}

/** Undefined when a constraint would have to see parameters that are erased. Charges what it allows. */
function decideUnder(
  hypothesis: Hypothesis,
  request: RecordedRequest,
  image: RecordedLog,
): Decision | undefined {
  hypothesis.settle(request.decidedAt);
  const { state } = hypothesis;
  const decision = looksAtParams(request.agentId, request.requirements, state)
    ? decideWithParams(request, state, image)
    : decideAgain(request, {}, state);
  if (request.kind === "check") return decision;
  if (decision === undefined) hypothesis.chargeRecorded(chargedIds(request), request.decidedAt);
  else if (decision.allowed) hypothesis.charge(decision.bindings, request.decidedAt);
  return decision;
}

function decideWithParams(
  request: RecordedRequest,
  state: Hypothesis["state"],
  image: RecordedLog,
): Decision | undefined {
  if (request.paramsKey === undefined) return decideAgain(request, {}, state);
  const bytes = image.blob(request.paramsKey)?.bytes;
  if (bytes !== undefined) {
    return decideAgain(request, JSON.parse(new TextDecoder().decode(bytes)) as JsonValue, state);
  }
  // Allowed with parameters that no such constraint accepts, it is allowed with every others too (D, laws).
  const decision = decideAgain(request, unacceptable, state);
  return decision.allowed ? decision : undefined;
}

/** Larger than what `params` and `when` look at, so that each of them refuses (SEMANTICS K1). */
const unacceptable = "x".repeat(constrainedParamsCharactersMax + 1);

function chargedIds({ decision }: RecordedRequest): string[] {
  const charged = decision["charged"];
  return Array.isArray(charged) ? charged.map((charge: { readonly id: string }) => charge.id) : [];
}
