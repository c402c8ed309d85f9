import type { DenialReason } from "../../model/denial.js";

/** What an agent can do about a denial, without a word of the policy (SEMANTICS D3). */
const advice: Partial<Record<DenialReason, string>> = {
  rate_limited: "Wait before you try again.",
  uses_exhausted: "It has been used as often as is allowed.",
  constraint_violated: "Other arguments may be allowed.",
  scope_exceeded: "Other arguments may be allowed.",
  approval_required: "A person has to approve it first.",
  binding_not_yet_valid: "It is not allowed yet.",
  audit_unavailable: "The gateway cannot record calls at the moment, so it makes none. Try again later.",
  agent_suspended: "Nothing is allowed at the moment.",
};

const otherwise = "Do not try again with the same arguments; tell the user if you need it.";

/**
 * @param what e.g. `the tool read_file`; made from the agent's own words.
 * @param id of the event that says why, for the operator; undefined when there could be none.
 * @param own a sentence about the agent's own request, when it was refused before any policy was asked.
 */
export function denialText(
  what: string,
  reason: DenialReason,
  id: string | undefined,
  own: string | undefined,
): string {
  const why = own === undefined ? `(${reason})` : `(${reason}): ${own}`;
  const then = own === undefined ? (advice[reason] ?? otherwise) : "";
  return [`Denied: ${what} is not permitted ${why}.`, then, decision(id)]
    .filter((part) => part !== "")
    .join(" ");
}

/** For a call that was allowed, and then ended before it was answered. */
export function endedText(what: string, code: string, id: string | undefined): string {
  const why = endings[code] ?? "it failed";
  return [`Stopped: ${what} gave no result, since ${why} (${code}).`, decision(id)]
    .filter((part) => part !== "")
    .join(" ");
}

const endings: Readonly<Record<string, string>> = {
  revoked_while_running: "permission for it ended while it ran",
  deadline_exceeded: "it took too long",
  audit_unavailable: "what it did cannot be recorded",
  upstream_unavailable: "its server is not there at the moment",
  upstream_malformed: "its server gave an answer that is none",
  upstream_restarted: "its server was restarted; call it again",
  output_too_large: "its answer is larger than is allowed",
  output_invalid: "its answer is not what can be passed on",
  outcome_unknown: "how it ended could not be recorded",
};

function decision(id: string | undefined): string {
  return id === undefined ? "" : `Decision: ${id}.`;
}
