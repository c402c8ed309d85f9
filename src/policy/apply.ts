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
): Promise<PolicyChange[]> {
  checkActor("by", options.by);
  const source = commitTo(policy.source);
  return ledgerOf(audit).submit(adminLane, (tx) => {
    const changes = transitionTo(tx, policy, options.by);
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
  transitionTo(tx, policy, "plan");
  return tx.state;
}

function transitionTo(tx: Tx, policy: PolicyDocument, by: string): PolicyChange[] {
  const changes: PolicyChange[] = [];
  const note = (change: PolicyChange["change"], link: LinkRecord): void => {
    const { kind, id } = link;
    const agent = link.kind === "contract" ? link.issuedTo : link.agentId;
    changes.push({ change, kind, id, agent, capability: link.capability.text });
  };
  const owned = [...tx.state.links()].filter(
    (link) => link.revokedSeq === undefined && link.event["policy"] === policy.name,
  );
  const oldContracts = owned.filter((link): link is ContractRecord => link.kind === "contract");
  const oldBindings = owned.filter((link): link is BindingRecord => link.kind === "binding");

  const contracts = applyContracts(tx, policy, oldContracts, by, note);
  const pairs = pairUp(
    policy.grants,
    oldBindings,
    (grant, old) => isSameGrant(grant, old, contracts),
    (grant, old) => grant.agent === old.agentId && grant.capability === old.capability.text,
  );
  // What goes away goes first, so that a new binding never rests on a contract that is being replaced.
  for (const old of pairs.gone) if (revokeLink(tx, old, by, `policy ${policy.name}`)) note("removed", old);
  for (const { old } of pairs.replaced) revokeLink(tx, old, by, `policy ${policy.name}`);
  for (const { wanted, old } of pairs.replaced)
    note("replaced", bindGrant(tx, policy, wanted, contracts, by, old.id));
  for (const wanted of pairs.added) note("added", bindGrant(tx, policy, wanted, contracts, by));
  return changes;
}

/** Gives the contract that now stands for each name of the file. */
function applyContracts(
  tx: Tx,
  policy: PolicyDocument,
  old: readonly ContractRecord[],
  by: string,
  note: (change: PolicyChange["change"], link: LinkRecord) => void,
): ReadonlyMap<string, ContractRecord> {
  const nameOf = (record: ContractRecord) => record.event["policy_key"];
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
    revokeLink(tx, record, by, `policy ${policy.name}`);
    note("replaced", replacement);
  }
  for (const record of pairs.gone)
    if (revokeLink(tx, record, by, `policy ${policy.name}`)) note("removed", record);
  for (const wanted of pairs.added) note("added", issue(wanted));
  return standing;
}

function isSameContract(wanted: PolicyContract, record: ContractRecord): boolean {
  return record.issuedTo === (wanted.issuedTo ?? "*") && isSameAuthority(wanted, record);
}

function bindGrant(
  tx: Tx,
  policy: PolicyDocument,
  grant: PolicyGrant,
  contracts: ReadonlyMap<string, ContractRecord>,
  by: string,
  supersedes?: string,
): BindingRecord {
  try {
    return createBinding(
      tx,
      {
        ...requestOf(grant),
        agentId: grant.agent,
        createdBy: by,
        contractId: grant.contract === undefined ? undefined : contracts.get(grant.contract)?.id,
      },
      { policy: policy.name, supersedes },
    );
  } catch (error) {
    if (!(error instanceof SynapseError)) throw error;
    const { line, column } = grant.position;
    const hint =
      error.code === "no_authority" ? "add a contract that covers it under `contracts`" : error.hint;
    throw new DocumentError("invalid_policy", policy.file, line, column, error.message, hint);
  }
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
