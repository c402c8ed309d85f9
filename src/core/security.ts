import { boundedText } from "../model/bounded-text.js";
import { explain } from "../model/explain.js";
import { isIdentifier } from "../model/identifier.js";
import { formatInstant } from "../model/time.js";
import { type AuditMechanism, ledgerOf } from "./audit.js";
import { commitTo } from "./commitment.js";
import { checkActor, checkRequest, type ContractRequest, issueContract, revokeLink } from "./authority.js";
import { DenialBackoff } from "./backoff.js";
import type { CheckRequest, Decision } from "./check.js";
import { demandForCheck, decideDemand, recordedCapability } from "./demand.js";
import { type CapabilityContract, contractDocument } from "./documents.js";
import { adminLane } from "./lanes.js";
import type { Ledger } from "./ledger.js";

let openManager: (manager: CapabilityManager) => Ledger;

/** The authority that exists in a system (specification, CapabilityManager). Belongs to the operator. */
export class CapabilityManager {
  readonly #ledger: Ledger;

  constructor({ audit }: { readonly audit: AuditMechanism }) {
    this.#ledger = ledgerOf(audit);
    Object.freeze(this);
  }

  static {
    openManager = (manager) => manager.#ledger;
  }

  /**
   * Issues a contract; durable when it resolves. A contract alone lets nobody act: it has to be bound.
   *
   * @throws CapabilitySyntaxError, InvalidConstraintError, AuditUnavailableError; TypeError for malformed ids.
   */
  async issue(request: ContractRequest): Promise<CapabilityContract> {
    const frozen = { ...request };
    checkRequest(frozen);
    return this.#ledger.submit(adminLane, (tx) => contractDocument(issueContract(tx, frozen), tx.at));
  }

  /** Revokes a contract for ever, and with it every binding below it. False when there was nothing to revoke. */
  async revoke(
    contractId: string,
    options: { readonly revokedBy?: string; readonly reason?: string } = {},
  ): Promise<boolean> {
    const { revokedBy = "unknown", reason } = options;
    checkActor("revokedBy", revokedBy);
    return this.#ledger.submit(adminLane, (tx) => {
      const record = tx.state.contract(String(contractId));
      return record !== undefined && revokeLink(tx, record, revokedBy, reason);
    });
  }

  async getContract(contractId: string): Promise<CapabilityContract | undefined> {
    this.#ledger.refresh();
    const record = this.#ledger.state.contract(contractId);
    return record === undefined ? undefined : contractDocument(record, this.#ledger.now());
  }

  /** Contracts in force, oldest first; with `all`, revoked and expired ones too. */
  async listContracts(options: { readonly all?: boolean } = {}): Promise<CapabilityContract[]> {
    this.#ledger.refresh();
    const now = this.#ledger.now();
    const contracts: CapabilityContract[] = [];
    for (const link of this.#ledger.state.links()) {
      if (link.kind === "contract") contracts.push(contractDocument(link, now));
    }
    return contracts.filter((contract) => options.all === true || contract.isActive);
  }

  /** Denies everything of an agent and stops what it runs (SEMANTICS A7). False when it was suspended already. */
  async suspend(
    agentId: string,
    options: { readonly by: string; readonly reason?: string },
  ): Promise<boolean> {
    return this.#setSuspended("agent_suspended", agentId, options);
  }

  /** Ends a suspension. False when there was none. */
  async unsuspend(
    agentId: string,
    options: { readonly by: string; readonly reason?: string },
  ): Promise<boolean> {
    return this.#setSuspended("agent_unsuspended", agentId, options);
  }

  #setSuspended(
    event: "agent_suspended" | "agent_unsuspended",
    agentId: string,
    { by, reason }: { readonly by: string; readonly reason?: string },
  ): Promise<boolean> {
    if (!isIdentifier(agentId)) throw new TypeError(`\`${String(agentId)}\` is not an agent id`);
    checkActor("by", by);
    return this.#ledger.submit(adminLane, (tx) => {
      if (tx.state.suspended.has(agentId) === (event === "agent_suspended")) return false;
      tx.emit({ event, agent_id: agentId, by, ...(reason === undefined ? {} : { reason }) });
      return true;
    });
  }
}

/** For the guard: whether a manager is wired to the same log (SEMANTICS G2). Not exported from the package. */
export function ledgerOfManager(manager: CapabilityManager): Ledger {
  return openManager(manager);
}

/** Answers "may this agent do this?" without running anything (specification, PermissionEnforcer). */
export class PermissionEnforcer {
  readonly #ledger: Ledger;
  readonly #backoff = new DenialBackoff();

  constructor({ audit }: { readonly audit: AuditMechanism }) {
    this.#ledger = ledgerOf(audit);
    Object.freeze(this);
  }

  /**
   * Decides as a step would, charges nothing, and records `capability_checked` or `capability_denied`
   * (SEMANTICS E2). Malformed input is a recorded denial, not an error.
   *
   * @throws AuditUnavailableError when the answer could not be recorded: then there is none.
   */
  async enforce(request: CheckRequest): Promise<Decision> {
    // Read once: what is recorded is what was decided.
    const asked = { ...request };
    const demand = demandForCheck(asked);
    await this.#backoff.wait(demand.agentId);
    // Parameters that were not given need no commitment; checks are many.
    const params = Object.keys(demand.params).length === 0 ? undefined : commitTo(demand.params);
    const answer = await this.#ledger.submit(demand.agentId, (tx): Decision => {
      if (params !== undefined) tx.keep(params);
      const decision = decideDemand(demand, tx.state, tx.at);
      const explanation = boundedText(demand.refusal?.detail ?? explain(decision, demand), 4_000);
      tx.emit({
        event: decision.allowed ? "capability_checked" : "capability_denied",
        agent_id: demand.agentId,
        workflow_id: demand.workflowId,
        step_id: demand.stepId,
        capability: recordedCapability(asked.capability),
        requirements: demand.requirements.map((requirement) => requirement.text),
        ...(params === undefined ? {} : { params_commitment: params.ref }),
        decided_at: formatInstant(tx.at),
        state_seq: tx.state.seq,
        ...(decision.allowed ? { binding_id: decision.bindingId } : { reason: decision.reason, explanation }),
      });
      return Object.freeze({
        allowed: decision.allowed,
        bindingId: decision.allowed ? decision.bindingId : undefined,
        reason: decision.allowed ? undefined : decision.reason,
        explanation,
      });
    });
    this.#backoff.note(demand.agentId, answer.allowed);
    return answer;
  }
}
