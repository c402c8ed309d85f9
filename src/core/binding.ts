import { parseCapability } from "../model/capability/index.js";
import { holds } from "../model/decide.js";
import type { AuditMechanism } from "./audit.js";
import { ledgerOf } from "./audit.js";
import { type BindingRequest, checkActor, checkRequest, createBinding, revokeLink } from "./authority.js";
import { type AgentCapabilityBinding, bindingDocument } from "./documents.js";
import { adminLane } from "./lanes.js";
import type { Ledger } from "./ledger.js";

/**
 * The life cycle of bindings (specification, BindingManager). Whoever holds it can give authority away: it
 * belongs to the operator, never to an agent.
 */
export class BindingManager {
  readonly #ledger: Ledger;

  constructor({ audit }: { readonly audit: AuditMechanism }) {
    this.#ledger = ledgerOf(audit);
    Object.freeze(this);
  }

  /**
   * Binds a capability to an agent, under a contract or a parent that covers it; durable when it resolves.
   *
   * @throws CapabilitySyntaxError, InvalidConstraintError, NoAuthorityError, NotFoundError,
   *   AuditUnavailableError; TypeError for malformed ids.
   */
  async bind(request: BindingRequest): Promise<AgentCapabilityBinding> {
    const frozen = { ...request };
    checkRequest(frozen);
    return this.#ledger.submit(adminLane, (tx) => bindingDocument(createBinding(tx, frozen), tx.at));
  }

  /**
   * Revokes a binding for ever. When it resolves, nothing that rests on it is authorised any more, and what
   * this process was running on it is stopped (SEMANTICS A3, D7).
   *
   * @returns false when there was nothing to revoke: no such binding, or revoked already.
   */
  async unbind(
    bindingId: string,
    options: { readonly revokedBy?: string; readonly reason?: string } = {},
  ): Promise<boolean> {
    const { revokedBy = "unknown", reason } = options;
    checkActor("revokedBy", revokedBy);
    return this.#ledger.submit(adminLane, (tx) => {
      const record = tx.state.binding(String(bindingId));
      return record !== undefined && revokeLink(tx, record, revokedBy, reason);
    });
  }

  /** The agent's bindings that are in force, oldest first; with `all`, revoked and expired ones too. */
  async getBindings(
    agentId: string,
    options: { readonly all?: boolean } = {},
  ): Promise<AgentCapabilityBinding[]> {
    this.#ledger.refresh();
    const now = this.#ledger.now();
    return this.#ledger.state
      .bindingsOf(agentId)
      .map((record) => bindingDocument(record, now))
      .filter((binding) => options.all === true || binding.isActive);
  }

  /** Bindings of every agent, as `getBindings` gives them. */
  async listBindings(options: { readonly all?: boolean } = {}): Promise<AgentCapabilityBinding[]> {
    this.#ledger.refresh();
    const now = this.#ledger.now();
    const bindings: AgentCapabilityBinding[] = [];
    for (const link of this.#ledger.state.links()) {
      if (link.kind === "binding") bindings.push(bindingDocument(link, now));
    }
    return bindings.filter((binding) => options.all === true || binding.isActive);
  }

  /** Whether a binding in force covers the capability, constraints aside. Decides nothing: that is the guard's. */
  async hasBinding(agentId: string, capability: string): Promise<boolean> {
    const wanted = parseCapability(capability);
    this.#ledger.refresh();
    return holds(agentId, wanted, this.#ledger.state, this.#ledger.now());
  }
}
