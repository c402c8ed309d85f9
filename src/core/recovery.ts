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
    const effects = effectsOf(ledger, steps);
    for (const authorized of steps) giveUp(tx, authorized, effects);
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

function giveUp(tx: Tx, authorized: AuditEvent, effects: ReadonlyMap<string, Effects>): void {
  const members: { [name: string]: JsonObject[string] } = {};
  for (const name of common) members[name] = authorized[name] ?? null;
  const requestId = textMember(authorized, "request_id");
  tx.emit({
    event: "step_outcome_unknown",
    ...members,
    request_id: requestId,
    binding_id: authorized["binding_id"] ?? null,
    writer: authorized["writer"] ?? null,
    effects_attempted: effects.get(requestId)?.attempted ?? 0,
    effects_performed: effects.get(requestId)?.performed ?? 0,
  });
}

interface Effects {
  attempted: number;
  performed: number;
}

/**
 * What is known of each: uses of handles that were begun, and those whose answer was recorded. The events of an agent
 * are read once, however many of its steps were running, and in however many runs: they may be thousands.
 */
function effectsOf(ledger: Ledger, steps: readonly AuditEvent[]): Map<string, Effects> {
  const effects = new Map<string, Effects>();
  const oldest = new Map<string, number>();
  for (const step of steps) {
    const agentId = textMember(step, "agent_id");
    effects.set(textMember(step, "request_id"), { attempted: 0, performed: 0 });
    oldest.set(agentId, Math.min(step.seq, oldest.get(agentId) ?? Infinity));
  }
  for (const [agentId, seq] of oldest) {
    for (const event of eventsAfter(ledger, agentId, seq)) {
      const { request_id: requestId } = event;
      const found = typeof requestId === "string" ? effects.get(requestId) : undefined;
      if (found === undefined) continue;
      if (event.event === "effect_attempted") found.attempted++;
      if (event.event === "effect_performed") found.performed++;
    }
  }
  return effects;
}

function* eventsAfter(ledger: Ledger, agentId: string, seq: number): Generator<AuditEvent> {
  for (let after = seq; ;) {
    const page = ledger.driver.readEvents({ agentId, after, limit: pageSize });
    yield* page;
    if (page.length < pageSize) return;
    after = page.at(-1)?.seq ?? after;
  }
}

const pageSize = 1_000;
