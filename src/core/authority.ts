import type { BindingRecord, ContractRecord, LinkRecord } from "../model/authority.js";
import { type Capability, covers, parseCapability, parseScope } from "../model/capability/index.js";
import { livenessRefusal } from "../model/chain.js";
import { confinesProcess, type Constraints, parseConstraints } from "../model/constraint/index.js";
import { InvalidConstraintError, NoAuthorityError, NotFoundError } from "../model/errors.js";
import { isAgentGlob, isIdentifier, matchesAgents } from "../model/identifier.js";
import type { JsonObject } from "../model/json.js";
import { formatInstant, parseExpiry } from "../model/time.js";
import type { Tx } from "./ledger.js";

/** A contract to be issued, as it was asked for. */
export interface ContractRequest {
  readonly capability: string;
  /** Resource pattern; default the capability's own resource. */
  readonly scope?: string | undefined;
  /** An agent id or a glob over ids; default every agent. */
  readonly issuedTo?: string | undefined;
  readonly issuedBy: string;
  readonly constraints?: Constraints | undefined;
  /** RFC 3339, or a duration that counts from now. */
  readonly expiresAt?: string | undefined;
  readonly delegable?: boolean | undefined;
}

/** A binding to be made, as it was asked for. */
export interface BindingRequest {
  readonly agentId: string;
  readonly capability: string;
  readonly scope?: string | undefined;
  readonly createdBy: string;
  readonly constraints?: Constraints | undefined;
  readonly expiresAt?: string | undefined;
  /** The contract to put to work; default the narrowest active one that covers it (SEMANTICS A2). */
  readonly contractId?: string | undefined;
  /** The binding to delegate from, instead of a contract. */
  readonly parentId?: string | undefined;
  readonly delegable?: boolean | undefined;
}

/** Which policy owns an object, and what it replaces (SEMANTICS E5). */
export interface Ownership {
  readonly policy?: string;
  /** Under which name the policy knows it. */
  readonly policyKey?: string;
  readonly supersedes?: string | undefined;
}

const chainLengthMax = 16;

interface Checked {
  readonly capability: Capability;
  readonly scope: Capability | undefined;
  readonly constraints: Constraints;
}

/** Everything about a request that can be checked without the state; throws before anything is queued. */
export function checkRequest(request: ContractRequest | BindingRequest): Checked {
  const capability = parseCapability(request.capability);
  const scope = request.scope === undefined ? undefined : parseScope(capability, request.scope);
  const constraints = parseConstraints(request.constraints ?? {}, capability);
  if ("agentId" in request) {
    if (!isIdentifier(request.agentId))
      throw new TypeError(`\`${String(request.agentId)}\` is not an agent id`);
    checkActor("createdBy", request.createdBy);
    if (request.contractId !== undefined && request.parentId !== undefined) {
      throw new TypeError("a binding has a contract or a parent, not both");
    }
  } else {
    if (request.issuedTo !== undefined && !isAgentGlob(request.issuedTo)) {
      throw new TypeError(`\`${String(request.issuedTo)}\` is neither an agent id nor a glob over ids`);
    }
    checkActor("issuedBy", request.issuedBy);
  }
  if (request.expiresAt !== undefined) parseExpiry(request.expiresAt, 0);
  return { capability, scope, constraints };
}

export function checkActor(field: string, value: unknown): asserts value is string {
  if (typeof value !== "string" || value === "" || value.length > 256 || !value.isWellFormed()) {
    throw new TypeError(`\`${field}\` says who did it: text of 1 to 256 characters`);
  }
}

/** Appends `capability_created`. */
export function issueContract(tx: Tx, request: ContractRequest, ownership: Ownership = {}): ContractRecord {
  const { capability, scope, constraints } = checkRequest(request);
  const id = tx.newId("ctr");
  tx.emit({
    event: "capability_created",
    contract_id: id,
    ...common(capability, scope, constraints, request, tx.at),
    issued_to: request.issuedTo ?? "*",
    issued_by: request.issuedBy,
    ...owned(ownership),
  });
  return tx.state.contract(id) as ContractRecord;
}

/**
 * Appends `binding_created` under a contract or a parent that covers it (SEMANTICS A2).
 *
 * @throws NoAuthorityError when nothing active covers it or delegation is not allowed; NotFoundError;
 *   InvalidConstraintError when a program would be unconfined (H6) or a delegate would gain an address.
 */
export function createBinding(tx: Tx, request: BindingRequest, ownership: Ownership = {}): BindingRecord {
  const { capability, scope, constraints } = checkRequest(request);
  const above = findAbove(tx, request, capability, scope);
  checkConfinement(above, capability, constraints);
  const id = tx.newId("bind");
  tx.emit({
    event: "binding_created",
    binding_id: id,
    agent_id: request.agentId,
    ...common(capability, scope, constraints, request, tx.at),
    created_by: request.createdBy,
    ...(above.kind === "binding" ? { parent_id: above.id } : { contract_id: above.id }),
    ...owned(ownership),
  });
  return tx.state.binding(id) as BindingRecord;
}

/** Appends a revocation; false when it was revoked already (terminal: SEMANTICS A3). */
export function revokeLink(tx: Tx, link: LinkRecord, revokedBy: string, reason?: string): boolean {
  if (link.revokedSeq !== undefined) return false;
  tx.emit({
    ...(link.kind === "contract"
      ? { event: "capability_revoked", contract_id: link.id }
      : { event: "binding_revoked", binding_id: link.id, agent_id: link.agentId }),
    capability: link.capability.text,
    revoked_by: revokedBy,
    ...(reason === undefined ? {} : { reason }),
  });
  return true;
}

function common(
  capability: Capability,
  scope: Capability | undefined,
  constraints: Constraints,
  request: ContractRequest | BindingRequest,
  at: number,
): JsonObject {
  return {
    capability: capability.text,
    ...(scope === undefined || request.scope === undefined ? {} : { scope: request.scope }),
    constraints: constraints as unknown as JsonObject,
    ...(request.expiresAt === undefined
      ? {}
      : { expires_at: formatInstant(parseExpiry(request.expiresAt, at)) }),
    delegable: request.delegable === true,
  };
}

function owned({ policy, policyKey, supersedes }: Ownership): JsonObject {
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(policyKey === undefined ? {} : { policy_key: policyKey }),
    ...(supersedes === undefined ? {} : { supersedes }),
  };
}

function findAbove(
  tx: Tx,
  request: BindingRequest,
  capability: Capability,
  scope: Capability | undefined,
): LinkRecord {
  const wanted = scope ?? capability;
  if (request.parentId !== undefined) return parentFor(tx, request.parentId, capability, wanted);
  if (request.contractId !== undefined) {
    const contract = tx.state.contract(request.contractId);
    if (contract === undefined) throw new NotFoundError("contract", request.contractId);
    const why = unfit(contract, request.agentId, capability, wanted, tx.at);
    if (why !== undefined) throw new NoAuthorityError(`contract \`${contract.id}\` cannot be bound: ${why}`);
    return contract;
  }
  let best: ContractRecord | undefined;
  for (const contract of tx.state.contractCandidates(request.agentId, capability)) {
    if (unfit(contract, request.agentId, capability, wanted, tx.at) !== undefined) continue;
    if (best === undefined || isNarrower(contract, best)) best = contract;
  }
  if (best !== undefined) return best;
  throw new NoAuthorityError(
    `no active contract issued to \`${request.agentId}\` covers \`${capability.text}\``,
    `issue one first: synapse issue --capability '${capability.text}' --to ${request.agentId} --by WHO`,
  );
}

function unfit(
  contract: ContractRecord,
  agentId: string,
  capability: Capability,
  wanted: Capability,
  at: number,
): string | undefined {
  if (contract.revokedSeq !== undefined) return "it was revoked";
  if (contract.expiresAt !== undefined && at >= contract.expiresAt) return "it has expired";
  if (!matchesAgents(contract.issuedTo, agentId)) return `it is issued to \`${contract.issuedTo}\``;
  if (!covers(contract.capability, capability)) return `\`${contract.capability.text}\` does not cover it`;
  if (contract.scope !== undefined && !covers(contract.scope, wanted))
    return `its scope \`${contract.scope.text}\` does not cover it`;
  return undefined;
}

function parentFor(tx: Tx, parentId: string, capability: Capability, wanted: Capability): BindingRecord {
  const parent = tx.state.binding(parentId);
  if (parent === undefined) throw new NotFoundError("binding", parentId);
  const refuse = (why: string) => new NoAuthorityError(`binding \`${parentId}\` cannot be delegated: ${why}`);
  const dead = livenessRefusal(parent, tx.at);
  if (dead !== undefined && dead.reason !== "binding_not_yet_valid") throw refuse(dead.detail);
  const rigid = parent.chain.find((link) => !link.delegable);
  if (rigid !== undefined) throw refuse(`${rigid.kind} \`${rigid.id}\` is not delegable`);
  if (parent.chain.length >= chainLengthMax) throw refuse(`its chain has ${chainLengthMax} links already`);
  if (!covers(parent.capability, capability))
    throw refuse(`\`${parent.capability.text}\` does not cover \`${capability.text}\``);
  if (!parent.gates.every((gate) => covers(gate, wanted)))
    throw refuse(`\`${wanted.text}\` is outside its scope`);
  return parent;
}

function isNarrower(a: ContractRecord, b: ContractRecord): boolean {
  const [wide, narrow] = [covers(a.capability, b.capability), covers(b.capability, a.capability)];
  if (wide !== narrow) return narrow;
  if (a.capability.wildcards !== b.capability.wildcards)
    return a.capability.wildcards < b.capability.wildcards;
  return a.createdSeq < b.createdSeq;
}

/** Two constraints widen instead of narrowing; neither may be gained by delegation (A2, H6). */
function checkConfinement(above: LinkRecord, capability: Capability, constraints: Constraints): void {
  const chain = above.kind === "binding" ? above.chain : [above];
  if (
    capability.domain === "os" &&
    ![constraints, ...chain.map((link) => link.constraints)].some(confinesProcess)
  ) {
    throw new InvalidConstraintError(
      "params",
      `a binding to \`${capability.text}\` must say which arguments the program may get`,
      "add a `params` constraint that describes `args`, or `unconfined: true` if it may do all that you can",
    );
  }
  if (above.kind === "binding" && constraints.allow_private !== undefined) {
    if (!chain.some((link) => link.constraints.allow_private !== undefined)) {
      throw new InvalidConstraintError(
        "allow_private",
        "a delegated binding cannot allow private addresses that its parent does not",
      );
    }
  }
}
