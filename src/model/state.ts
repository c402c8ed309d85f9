import { BindingRecord, ContractRecord, type LinkRecord } from "./authority.js";
import { CapabilityIndex } from "./capability-index.js";
import { type Capability, ended, hashed } from "./capability/index.js";
import { Chains } from "./chains.js";
import { type Change, changesOf } from "./change.js";
import { type AuditEvent, timeOf } from "./event.js";
import { matchesAgents } from "./identifier.js";
import { asText } from "./json.js";

/**
 * The state of authority: a fold over the log (DESIGN, The one idea), held in memory with the indices that
 * make a decision cheap. Everything in it follows from the events applied, in order, and from nothing else.
 */
export class State {
  /** The last event folded; 0 before the first. */
  seq = 0;
  /** Time (ms) of the last event: decisions never use an earlier one (SEMANTICS D8). */
  lastTime = 0;
  readonly suspended = new Set<string>();
  /** Authorised steps that have not completed, by request id, with their `authorized` event. */
  readonly open = new Map<string, AuditEvent>();
  /** Every contract and binding, in order; the indices know them by their positions. */
  readonly #links: LinkRecord[] = [];
  readonly #contractIds = new Chains();
  readonly #bindingIds = new Chains();
  readonly #bindings = new CapabilityIndex(this.#links as readonly LinkRecord[] as readonly BindingRecord[]);
  readonly #contracts = new CapabilityIndex(
    this.#links as readonly LinkRecord[] as readonly ContractRecord[],
  );

  /** Folds the next event of the log. */
  fold(event: AuditEvent): readonly Change[] {
    if (event.seq !== this.seq + 1)
      throw new RangeError(`event ${event.seq} cannot follow event ${this.seq}`);
    const changes = changesOf(event);
    for (const change of changes) this.apply(change);
    this.seq = event.seq;
    this.lastTime = Math.max(this.lastTime, timeOf(event));
    return changes;
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "contract":
        return this.#addContract(new ContractRecord(change.event), change.supersedes);
      case "binding":
        return this.#addBinding(change.event, change.supersedes);
      case "revoke": {
        const link = this.link(change.id);
        // Terminal (A3): the first revocation stands.
        if (link === undefined || link.revokedSeq !== undefined) return;
        link.revokedSeq = change.seq;
        if (link.kind === "binding") this.#retire(link);
        return;
      }
      case "suspend":
        if (change.suspended) this.suspended.add(change.agentId);
        else this.suspended.delete(change.agentId);
        return;
      case "charge":
        return this.#charge(change.id, change.at);
      case "open":
        this.open.set(change.requestId, change.event);
        return;
      case "close":
        this.open.delete(change.requestId);
    }
  }

  /** For a projection that kept the counters: what `charge` added up to. */
  restoreUses(id: string, uses: number, times: readonly number[]): void {
    const link = this.link(id);
    if (link === undefined) return;
    link.uses = uses;
    if (link.window !== undefined) link.window.times.splice(0, Infinity, ...times);
  }

  contract(id: string): ContractRecord | undefined {
    return this.#newest(this.#contractIds, id) as ContractRecord | undefined;
  }

  binding(id: string): BindingRecord | undefined {
    return this.#newest(this.#bindingIds, id) as BindingRecord | undefined;
  }

  /** The newest of that id. */
  link(id: string): LinkRecord | undefined {
    const [contract, binding] = [this.contract(id), this.binding(id)];
    if (contract === undefined || binding === undefined) return contract ?? binding;
    return contract.createdSeq > binding.createdSeq ? contract : binding;
  }

  #newest(ids: Chains, id: string): LinkRecord | undefined {
    for (let link = ids.first(idNumber(id)); link !== 0; link = ids.after(link)) {
      const found = this.#links[ids.position(link)] as LinkRecord;
      if (found.id === id) return found;
    }
    return undefined;
  }

  links(): Iterable<LinkRecord> {
    return this.#links.values();
  }

  bindingsOf(agentId: string): readonly BindingRecord[] {
    return this.#bindings.of(agentId);
  }

  /** Bindings of an agent that may cover the requirement, revoked and expired ones included. */
  bindingCandidates(agentId: string, requirement: Capability): readonly BindingRecord[] {
    return this.#bindings.candidates(agentId, requirement);
  }

  /** Those of them whose capability covers it. */
  coveringBindings(agentId: string, requirement: Capability): readonly BindingRecord[] {
    return this.#bindings.covering(agentId, requirement);
  }

  /** Contracts issued to an agent that may cover the requirement. */
  contractCandidates(agentId: string, requirement: Capability): readonly ContractRecord[] {
    // Most contracts are issued to all.
    const own = this.#contracts.mayHave(agentId) ? this.#contracts.candidates(agentId, requirement) : [];
    let many = this.#contracts.candidates("*", requirement);
    if (!many.every(isForAll))
      many = many.filter(({ issuedTo }) => issuedTo === "*" || matchesAgents(issuedTo, agentId));
    if (own.length === 0) return many;
    return many.length === 0 ? own : [...own, ...many];
  }

  #addContract(record: ContractRecord, supersedes: string | undefined): void {
    this.#contracts.add(this.#file(record, this.#contractIds, supersedes));
  }

  #addBinding(event: AuditEvent, supersedes: string | undefined): void {
    const parentId = event["parent_id"] ?? undefined;
    const aboveId = parentId ?? event["contract_id"];
    const ids = parentId === undefined ? this.#contractIds : this.#bindingIds;
    const above = typeof aboveId === "string" ? this.#newest(ids, aboveId) : undefined;
    if (above === undefined)
      throw new TypeError(`event ${event.seq} binds under something that does not exist`);
    const record = new BindingRecord(event, this.#ownName(asText(event["agent_id"], "agent_id")), above);
    this.#bindings.add(this.#file(record, this.#bindingIds, supersedes));
  }

  /** An agent's name in the one copy that all of its bindings share. */
  #ownName(agentId: string): string {
    // Bindings of one agent are often made one after the other.
    const last = this.#links.at(-1);
    if (last?.holder === agentId) return last.holder;
    return this.#bindings.anyOf(agentId)?.agentId ?? agentId;
  }

  /** @returns its position. */
  #file(record: LinkRecord, ids: Chains, supersedes: string | undefined): number {
    const position = this.#links.push(record) - 1;
    ids.add(idNumber(record.id), position);
    this.#inherit(record, supersedes);
    return position;
  }

  /**
   * Binding and unbinding the same thing for ever must not slow decisions down (D1): of the revoked bindings
   * of one capability only the newest stays in the index, to say why a request is denied. Done when one is
   * revoked, so that what stays follows from what is revoked and not from when the state was read.
   */
  #retire(revoked: BindingRecord): void {
    let newest = revoked.createdSeq;
    const isTwin = (other: BindingRecord): boolean =>
      other.revokedSeq !== undefined && other.capability.text === revoked.capability.text;
    for (const other of this.#bindings.candidates(revoked.agentId, revoked.capability)) {
      if (isTwin(other)) newest = Math.max(newest, other.createdSeq);
    }
    this.#bindings.prune(revoked, (other) => isTwin(other) && other.createdSeq < newest);
  }

  /** A replacement takes over what was used up, so that re-applying a policy refills nothing (E5). */
  #inherit(record: LinkRecord, supersedes: string | undefined): void {
    const old = supersedes === undefined ? undefined : this.link(supersedes);
    if (old === undefined) return;
    record.uses = old.uses;
    if (record.window !== undefined && old.window !== undefined) {
      record.window.times.push(...old.window.times);
    }
  }

  #charge(id: string, at: number): void {
    const link = this.link(id);
    if (link === undefined) return;
    link.uses++;
    if (link.window !== undefined) {
      const { times, perMs } = link.window;
      const inside = times.findIndex((time) => time > at - perMs);
      times.splice(0, inside < 0 ? times.length : inside);
      times.push(at);
    }
  }
}

function isForAll({ issuedTo }: ContractRecord): boolean {
  return issuedTo === "*";
}

function idNumber(id: string): number {
  return ended(hashed(0, id, 0, id.length));
}
