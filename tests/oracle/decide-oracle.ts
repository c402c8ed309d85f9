import { Ajv2020 } from "ajv/dist/2020.js";
import {
  type Capability,
  covers,
  exceptPattern,
  overlaps,
  parseCapability,
  parseScope,
} from "../../src/model/capability/index.js";
import { compileCel } from "../../src/model/cel.js";
import type { Constraints } from "../../src/model/constraint/index.js";
import type { DecisionRequest } from "../../src/model/decide.js";
import { denialReasons, type DenialReason } from "../../src/model/denial.js";
import type { AuditEvent } from "../../src/model/event.js";

/**
 * A slow second opinion on `decide`: it knows nothing but the list of events, walks all of it for every
 * question, and has neither index nor cache nor state.
 *
 * @returns the bindings that are charged, or the reason, as D2 and D3 have them.
 */
export function decideNaively(log: readonly AuditEvent[], request: DecisionRequest, now: number): string {
  const last = log.at(-1);
  const at = Math.max(now, last === undefined ? 0 : Date.parse(last.timestamp));
  const [first] = request.requirements;
  if (first === undefined) return "invalid_capability";
  for (const limit of request.ceiling) if (!covers(limit, first)) return "capability_mismatch";
  if (isSuspended(log, request.agentId)) return "agent_suspended";
  const bindings: string[] = [];
  for (const requirement of request.requirements) {
    const onUse = request.paramsOnUse === true && bindings.length > 0;
    const answer = grantOf(log, request, requirement, at, onUse);
    if (typeof answer === "string") return answer;
    bindings.push(idOf(answer));
  }
  return bindings.join(",");
}

function grantOf(
  log: readonly AuditEvent[],
  request: DecisionRequest,
  requirement: Capability,
  at: number,
  onUse: boolean,
): AuditEvent | DenialReason {
  const fitting = log.filter(
    (event) =>
      event.event === "binding_created" &&
      event["agent_id"] === request.agentId &&
      covers(capabilityOf(event), requirement) &&
      !isForgotten(log, event),
  );
  const refusals = fitting.map((binding) => ({
    binding,
    reasons: refusalsOf(log, binding, request, requirement, at, onUse),
  }));
  const allowed = refusals.filter(({ reasons }) => reasons.length === 0).map(({ binding }) => binding);
  if (allowed.length > 0) {
    const width = (event: AuditEvent) => (scopeOf(event) ?? capabilityOf(event)).wildcards;
    return allowed.sort((a, b) => width(a) - width(b) || a.seq - b.seq)[0] as AuditEvent;
  }
  if (refusals.length > 0) return furthest(refusals.map(({ reasons }) => earliest(reasons)));
  return withoutBinding(log, request.agentId, requirement, at);
}

/** Every reason for which some link of the chain refuses. */
function refusalsOf(
  log: readonly AuditEvent[],
  binding: AuditEvent,
  request: DecisionRequest,
  requirement: Capability,
  at: number,
  onUse: boolean,
): DenialReason[] {
  const reasons: DenialReason[] = [];
  for (const link of chainOf(log, binding)) {
    const isContract = link.event === "capability_created";
    const constraints = constraintsOf(link);
    const capability = capabilityOf(link);
    if (isExpired(link, at)) reasons.push(isContract ? "contract_expired" : "binding_expired");
    if (revocationOf(log, link) !== undefined)
      reasons.push(isContract ? "contract_revoked" : "binding_revoked");
    if (constraints.not_before !== undefined && at < Date.parse(constraints.not_before)) {
      reasons.push("binding_not_yet_valid");
    }
    const scope = scopeOf(link);
    if (!covers(capability, requirement) || (scope !== undefined && !covers(scope, requirement))) {
      reasons.push("scope_exceeded");
    }
    if (
      constraints.except?.some((pattern) => overlaps(exceptPattern(capability, pattern), requirement)) ===
      true
    ) {
      reasons.push("constraint_violated");
    }
    if (!onUse) reasons.push(...conditionRefusals(constraints, request, at));
    if (constraints.rate !== undefined) {
      const perMs = perOf(constraints);
      const used = timesOf(log, link, Infinity).filter((time) => time > at - perMs);
      if (used.length >= constraints.rate.limit) reasons.push("rate_limited");
    }
    if (constraints.max_uses !== undefined && usesOf(log, link, Infinity) >= constraints.max_uses) {
      reasons.push("uses_exhausted");
    }
    if (constraints.approval !== undefined) reasons.push("approval_required");
  }
  return reasons;
}

function conditionRefusals(constraints: Constraints, request: DecisionRequest, at: number): DenialReason[] {
  const reasons: DenialReason[] = [];
  if (
    constraints.params !== undefined &&
    !new Ajv2020({ strictTypes: false }).compile(constraints.params)(request.params)
  ) {
    reasons.push("constraint_violated");
  }
  if (constraints.when === undefined || reasons.length > 0) return reasons;
  const { agentId: agent, workflowId: workflow, stepId: step, params } = request;
  const condition = compileCel(constraints.when, ["agent", "workflow", "step", "params", "now"]);
  try {
    const answer = condition.evaluate({ agent, workflow, step, params, now: new Date(at).toISOString() });
    if (answer !== true) reasons.push(answer === false ? "constraint_violated" : "policy_error");
  } catch {
    reasons.push("policy_error");
  }
  return reasons;
}

function withoutBinding(
  log: readonly AuditEvent[],
  agentId: string,
  requirement: Capability,
  at: number,
): DenialReason {
  const found = log
    .filter((event) => {
      if (event.event !== "capability_created" || !isIssuedTo(event, agentId)) return false;
      const scope = scopeOf(event);
      return covers(capabilityOf(event), requirement) && (scope === undefined || covers(scope, requirement));
    })
    .map((contract): DenialReason => {
      if (isExpired(contract, at)) return "contract_expired";
      return revocationOf(log, contract) === undefined ? "no_binding_found" : "contract_revoked";
    });
  return found.length === 0 ? "no_capability" : furthest(found);
}

/** Of the revoked bindings of one agent to one capability only the newest is remembered. */
function isForgotten(log: readonly AuditEvent[], binding: AuditEvent): boolean {
  if (revocationOf(log, binding) === undefined) return false;
  return log.some(
    (other) =>
      other.event === "binding_created" &&
      other.seq > binding.seq &&
      other["agent_id"] === binding["agent_id"] &&
      other["capability"] === binding["capability"] &&
      revocationOf(log, other) !== undefined,
  );
}

function chainOf(log: readonly AuditEvent[], link: AuditEvent): AuditEvent[] {
  const above = link["parent_id"] ?? link["contract_id"];
  if (link.event === "capability_created") return [link];
  return [
    link,
    ...chainOf(log, log.find((event) => isCreation(event) && idOf(event) === above) as AuditEvent),
  ];
}

/** Authorisations charged up to `seq`, those of the object it replaced included. */
function usesOf(log: readonly AuditEvent[], link: AuditEvent, seq: number): number {
  const old = predecessorOf(log, link);
  return (old === undefined ? 0 : usesOf(log, old, link.seq)) + chargesOf(log, link, seq).length;
}

function timesOf(log: readonly AuditEvent[], link: AuditEvent, seq: number): number[] {
  const old = predecessorOf(log, link);
  const inherits = old !== undefined && constraintsOf(old).rate !== undefined;
  let times = inherits ? timesOf(log, old, link.seq) : [];
  for (const charge of chargesOf(log, link, seq)) {
    const at = Date.parse(charge.timestamp);
    times = [...times.filter((time) => time > at - perOf(constraintsOf(link))), at];
  }
  return times;
}

/** Authorisations that had the link in one of their chains, if it counts at all. */
function chargesOf(log: readonly AuditEvent[], link: AuditEvent, seq: number): AuditEvent[] {
  const { max_uses, rate } = constraintsOf(link);
  if (max_uses === undefined && rate === undefined) return [];
  return log.filter((event) => {
    if (event.event !== "step_execution_authorized" || event.seq > seq) return false;
    const bindings = event["binding_ids"] as readonly string[];
    return bindings.some((id) => {
      const binding = log.find((other) => other.event === "binding_created" && other["binding_id"] === id);
      return binding !== undefined && chainOf(log, binding).includes(link);
    });
  });
}

function predecessorOf(log: readonly AuditEvent[], link: AuditEvent): AuditEvent | undefined {
  return log.find((event) => isCreation(event) && idOf(event) === link["supersedes"]);
}

function revocationOf(log: readonly AuditEvent[], link: AuditEvent): AuditEvent | undefined {
  return log.find(
    (event) =>
      (event.event === "binding_revoked" || event.event === "capability_revoked") &&
      idOf(event) === idOf(link),
  );
}

function isSuspended(log: readonly AuditEvent[], agentId: string): boolean {
  const about = log.filter(
    (event) => /^agent_(un)?suspended$/.test(event.event) && event["agent_id"] === agentId,
  );
  return about.at(-1)?.event === "agent_suspended";
}

function isIssuedTo(contract: AuditEvent, agentId: string): boolean {
  const pattern = textOf(contract, "issued_to").replace(/[.]/g, "\\.").replaceAll("*", ".*");
  return new RegExp(`^(?:${pattern})$`).test(agentId);
}

const isCreation = (event: AuditEvent): boolean =>
  event.event === "binding_created" || event.event === "capability_created";

function idOf(event: AuditEvent): string {
  return textOf(event, event.event.startsWith("binding") ? "binding_id" : "contract_id");
}

function textOf(event: AuditEvent, member: string): string {
  const value = event[member];
  if (typeof value !== "string") throw new Error(`event ${event.seq} lacks ${member}`);
  return value;
}

function capabilityOf(event: AuditEvent): Capability {
  return parseCapability(textOf(event, "capability"));
}

function scopeOf(event: AuditEvent): Capability | undefined {
  return typeof event["scope"] === "string" ? parseScope(capabilityOf(event), event["scope"]) : undefined;
}

const constraintsOf = (event: AuditEvent): Constraints => (event["constraints"] ?? {}) as Constraints;

/** The random worlds write windows in seconds only. */
const perOf = (constraints: Constraints): number => Number.parseInt(constraints.rate?.per ?? "0", 10) * 1_000;

const isExpired = (event: AuditEvent, at: number): boolean =>
  typeof event["expires_at"] === "string" && at >= Date.parse(event["expires_at"]);

const rankOf = (reason: DenialReason): number => denialReasons.indexOf(reason);
const earliest = (reasons: readonly DenialReason[]): DenialReason =>
  reasons.reduce((a, b) => (rankOf(a) <= rankOf(b) ? a : b));
const furthest = (reasons: readonly DenialReason[]): DenialReason =>
  reasons.reduce((a, b) => (rankOf(a) >= rankOf(b) ? a : b));
