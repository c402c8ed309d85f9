import { type AuditMechanism, ledgerOf } from "../core/audit.js";
import { checkActor, createBinding, issueContract, revokeLink } from "../core/authority.js";
import { commitTo } from "../core/commitment.js";
import { adminLane } from "../core/lanes.js";
import type { Tx } from "../core/ledger.js";
import { scratchTx } from "../core/scratch.js";
import type { BindingRecord, ContractRecord, LinkRecord } from "../model/authority.js";
import { DocumentError, SynapseError } from "../model/errors.js";
import type { State } from "../model/state.js";
import type { PolicyContract, PolicyDocument, PolicyGrant } from "./file.js";
import { isSameAuthority, isSameGrant, pairUp } from "./match.js";

/** One thing that applying a policy did. */
export interface PolicyChange {
  readonly change: "added" | "replaced" | "removed";
  readonly kind: "contract" | "binding";
  readonly id: string;
  /** The agent of a binding; for a contract, whom it is issued to. */
  readonly agent: string;
  readonly capability: string;
}

/**
 * Makes the store say what the policy says, for the objects of that policy's name and no others, in one
 * transaction, by the fewest events (SEMANTICS E5). An unchanged policy appends nothing and gives no changes.
 *
 * @throws DocumentError at the grant that nothing covers; AuditUnavailableError. Then nothing was changed.
 */
export async function applyPolicy(
  { audit }: { readonly audit: AuditMechanism },
  policy: PolicyDocument,
  options: { readonly by: string },
): Promise<readonly PolicyChange[]> {
  checkActor("by", options.by);
  const source = commitTo(policy.source);
  return ledgerOf(audit).submit(adminLane, (tx) => {
    const { changes } = bringTo(tx, policy, options.by, refusedGrant(policy));
    if (changes.length > 0) {
      tx.keep(source);
      tx.emit({
        event: "policy_applied",
        policy: policy.name,
        file: policy.file,
        policy_commitment: source.ref,
        changes: changes.length,
        by: options.by,
      });
    }
    return changes;
  });
}

/** The state as it would be under the policy; persists nothing. */
export function previewPolicy({ audit }: { readonly audit: AuditMechanism }, policy: PolicyDocument): State {
  const tx = scratchTx(ledgerOf(audit));
  bringTo(tx, policy, "plan", refusedGrant(policy));
  return tx.state;
}

/** What stands for each part of a policy after it was brought about. */
export interface Standing {
  readonly changes: readonly PolicyChange[];
  readonly contracts: ReadonlyMap<PolicyContract, ContractRecord>;
  /** Without the grants that were refused. */
  readonly bindings: ReadonlyMap<PolicyGrant, BindingRecord>;
}

/**
 * The events that make a state say what a policy says; pure but for the transaction.
 *
 * @param onRefused what becomes of a grant that nothing covers; when it returns, that grant is left out.
 */
export function bringTo(
  tx: Tx,
  policy: PolicyDocument,
  by: string,
  onRefused: (grant: PolicyGrant, error: SynapseError) => void,
): Standing {
  const changes: PolicyChange[] = [];
  const note = (change: PolicyChange["change"], link: LinkRecord): void => {
    const { kind, id } = link;
    const agent = link.kind === "contract" ? link.issuedTo : link.agentId;
    changes.push({ change, kind, id, agent, capability: link.capability.text });
  };
  const owned = ownedBy(tx.state, policy.name);
  const oldContracts = owned.filter((link): link is ContractRecord => link.kind === "contract");
  const oldBindings = owned.filter((link): link is BindingRecord => link.kind === "binding");

  const contracts = applyContracts(tx, policy, oldContracts, by, note);
  const pairs = pairUp(
    policy.grants,
    oldBindings,
    (grant, old) => isSameGrant(grant, old, contracts),
    (grant, old) => grant.agent === old.agentId && grant.capability === old.capability.text,
  );
  const bindings = new Map(pairs.kept.map(({ wanted, old }) => [wanted, old]));
  const bind = (grant: PolicyGrant, change: "replaced" | "added", supersedes?: string): void => {
    try {
      const binding = bindGrant(tx, policy.name, grant, contracts, by, supersedes);
      bindings.set(grant, binding);
      note(change, binding);
    } catch (error) {
      if (!(error instanceof SynapseError)) throw error;
      onRefused(grant, error);
    }
  };
  // What goes away goes first, so that a new binding never rests on a contract that is being replaced.
  for (const old of pairs.gone) if (revokeLink(tx, old, by, reasonOf(policy.name))) note("removed", old);
  for (const { old } of pairs.replaced) revokeLink(tx, old, by, reasonOf(policy.name));
  for (const { wanted, old } of pairs.replaced) bind(wanted, "replaced", old.id);
  for (const wanted of pairs.added) bind(wanted, "added");
  const standing = policy.contracts.map(
    (each) => [each, contracts.get(each.name) as ContractRecord] as const,
  );
  return { changes, contracts: new Map(standing), bindings };
}

/** What a policy owns and was not revoked (SEMANTICS E5). */
export function ownedBy(state: State, policy: string): LinkRecord[] {
  return [...state.links()].filter((link) => link.revokedSeq === undefined && link.policy === policy);
}

/** The reason that revocations by a policy's application have in the log. */
export function reasonOf(policy: string): string {
  return `policy ${policy}`;
}

/** A grant that nothing covers is an error in the file, at the grant. */
export function refusedGrant(policy: PolicyDocument): (grant: PolicyGrant, error: SynapseError) => never {
  return (grant, error) => {
    const { line, column } = grant.position;
    const hint =
      error.code === "no_authority" ? "add a contract that covers it under `contracts`" : error.hint;
    throw new DocumentError("invalid_policy", policy.file, line, column, error.message, hint);
  };
}

/** Gives the contract that now stands for each name of the file. */
function applyContracts(
  tx: Tx,
  policy: PolicyDocument,
  old: readonly ContractRecord[],
  by: string,
  note: (change: PolicyChange["change"], link: LinkRecord) => void,
): ReadonlyMap<string, ContractRecord> {
  const nameOf = (record: ContractRecord) => record.policyKey;
  const pairs = pairUp(
    policy.contracts,
    old,
    (wanted, record) => nameOf(record) === wanted.name && isSameContract(wanted, record),
    (wanted, record) => nameOf(record) === wanted.name,
  );
  const standing = new Map(pairs.kept.map(({ wanted, old: record }) => [wanted.name, record]));
  const issue = (wanted: PolicyContract, supersedes?: string): ContractRecord => {
    const record = issueContract(
      tx,
      { ...requestOf(wanted), issuedTo: wanted.issuedTo, issuedBy: by },
      { policy: policy.name, policyKey: wanted.name, supersedes },
    );
    standing.set(wanted.name, record);
    return record;
  };
  for (const { wanted, old: record } of pairs.replaced) {
    const replacement = issue(wanted, record.id);
    revokeLink(tx, record, by, reasonOf(policy.name));
    note("replaced", replacement);
  }
  for (const record of pairs.gone)
    if (revokeLink(tx, record, by, reasonOf(policy.name))) note("removed", record);
  for (const wanted of pairs.added) note("added", issue(wanted));
  return standing;
}

function isSameContract(wanted: PolicyContract, record: ContractRecord): boolean {
  return record.issuedTo === (wanted.issuedTo ?? "*") && isSameAuthority(wanted, record);
}

/** @throws SynapseError when nothing covers it. */
export function bindGrant(
  tx: Tx,
  policy: string,
  grant: PolicyGrant,
  contracts: ReadonlyMap<string, ContractRecord>,
  by: string,
  supersedes?: string,
): BindingRecord {
  const contractId = grant.contract === undefined ? undefined : contracts.get(grant.contract)?.id;
  const request = { ...requestOf(grant), agentId: grant.agent, createdBy: by, contractId };
  return createBinding(tx, request, { policy, supersedes });
}

function requestOf(authority: PolicyContract | PolicyGrant) {
  return {
    capability: authority.capability,
    scope: authority.scope,
    constraints: authority.constraints,
    expiresAt: authority.expires,
    delegable: authority.delegable,
  };
}
