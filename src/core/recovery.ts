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
  /** Agent and run. */
  readonly of: string;
  attempted: number;
  performed: number;
}

/**
 * What is known of each: uses of handles that were begun, and those whose answer was recorded. The events of an agent
 * and run are read once, however many of its steps were running: they may be thousands.
 */
function effectsOf(ledger: Ledger, steps: readonly AuditEvent[]): Map<string, Effects> {
  const effects = new Map<string, Effects>();
  const oldest = new Map<string, AuditEvent>();
  for (const step of steps) {
    const of = JSON.stringify([step["agent_id"], step["run_id"]]);
    effects.set(textMember(step, "request_id"), { of, attempted: 0, performed: 0 });
    const known = oldest.get(of);
    if (known === undefined || step.seq < known.seq) oldest.set(of, step);
  }
  for (const [of, first] of oldest) {
    for (const event of eventsBehind(ledger, first)) {
      const { request_id: requestId } = event;
      const found = typeof requestId === "string" ? effects.get(requestId) : undefined;
      // Events of a step without a run are looked for by its agent alone, and come with those of the agent's runs.
      if (found?.of !== of) continue;
      if (event.event === "effect_attempted") found.attempted++;
      if (event.event === "effect_performed") found.performed++;
    }
  }
  return effects;
}

function* eventsBehind(ledger: Ledger, step: AuditEvent): Generator<AuditEvent> {
  const runId = step["run_id"];
  const of = { agentId: textMember(step, "agent_id"), ...(typeof runId === "string" ? { runId } : {}) };
  for (let after = step.seq; ;) {
    const page = ledger.driver.readEvents({ ...of, after, limit: pageSize });
    yield* page;
    if (page.length < pageSize) return;
    after = page.at(-1)?.seq ?? after;
  }
}

const pageSize = 1_000;
