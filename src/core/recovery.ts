import { type AuditEvent, textMember } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import { adminLane } from "./lanes.js";
import { livingWriters } from "./lease.js";
import type { Ledger, Tx } from "./ledger.js";

/**
 * Records, for every step that was authorised and has not ended and whose process is gone, that its outcome is
 * unknown: crash recovery is a query (DESIGN). One transaction, so of two that open at once one does it, and a
 * step that runs elsewhere is left alone.
 *
 * @returns how many there were.
 * @throws AuditUnavailableError when it cannot be recorded; then nothing was, and whoever opens next does it.
 */
export async function recoverSteps(ledger: Ledger): Promise<number> {
  if (abandoned(ledger, ledger.state.open.values()).length === 0) return 0;
  return ledger.submit(adminLane, (tx) => {
    // Asked again at the head of the log: another one may have been here.
    const steps = abandoned(ledger, tx.state.open.values());
    for (const authorized of steps) giveUp(tx, ledger, authorized);
    const living = livingWriters(ledger.driver.leases()).add(ledger.writer);
    for (const { writer } of ledger.driver.leases()) if (!living.has(writer)) tx.removeLease(writer);
    return steps.length;
  });
}

/** Those of which nobody will say how they ended. */
function abandoned(ledger: Ledger, open: Iterable<AuditEvent>): AuditEvent[] {
  const steps = [...open];
  if (steps.length === 0) return [];
  const living = livingWriters(ledger.driver.leases()).add(ledger.writer);
  return steps.filter(({ writer }) => typeof writer !== "string" || !living.has(writer));
}

/** Members that every event of the step has (`commonMembers`), as its authorisation says them. */
const common = [
  "workflow_id",
  "step_id",
  "agent_id",
  "capability",
  "run_id",
  "attempt",
  "trace_id",
  "audit_reference",
] as const;

function giveUp(tx: Tx, ledger: Ledger, authorized: AuditEvent): void {
  const members: { [name: string]: JsonObject[string] } = {};
  for (const name of common) members[name] = authorized[name] ?? null;
  const requestId = textMember(authorized, "request_id");
  tx.emit({
    event: "step_outcome_unknown",
    ...members,
    request_id: requestId,
    binding_id: authorized["binding_id"] ?? null,
    writer: authorized["writer"] ?? null,
    ...effectsOf(ledger, authorized, requestId),
  });
}

/** What is known of it: uses of handles that were begun, and those whose answer was recorded. */
function effectsOf(ledger: Ledger, authorized: AuditEvent, requestId: string): JsonObject {
  const runId = authorized["run_id"];
  const events = ledger.driver.readEvents({
    after: authorized.seq,
    agentId: textMember(authorized, "agent_id"),
    ...(typeof runId === "string" ? { runId } : {}),
  });
  const count = (type: string) =>
    events.filter((event) => event.event === type && event["request_id"] === requestId).length;
  return { effects_attempted: count("effect_attempted"), effects_performed: count("effect_performed") };
}
