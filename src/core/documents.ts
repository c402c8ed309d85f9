import type { BindingRecord, ContractRecord } from "../model/authority.js";
import { livenessRefusal } from "../model/chain.js";
import type { Constraints } from "../model/constraint/index.js";
import { formatInstant } from "../model/time.js";

/** Authority that exists in this system; immutable (specification, CapabilityContract; SEMANTICS A1). */
export interface CapabilityContract {
  readonly id: string;
  readonly capability: string;
  readonly scope: string;
  readonly constraints: Constraints;
  readonly expiresAt: string | undefined;
  readonly issuedTo: string;
  readonly issuedBy: string;
  readonly createdAt: string;
  readonly delegable: boolean;
  /** Neither revoked nor expired, as of when it was read. */
  readonly isActive: boolean;
  readonly protocolVersion: string;
}

/** A contract put to work for one agent (specification, AgentCapabilityBinding). */
export interface AgentCapabilityBinding {
  readonly id: string;
  readonly agentId: string;
  readonly capability: string;
  readonly scope: string;
  readonly constraints: Constraints;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  /** Neither it nor anything above it is revoked or expired, as of when it was read. */
  readonly isActive: boolean;
  readonly createdBy: string;
  readonly protocolVersion: string;
  /** Exactly one of the two is set (SEMANTICS A2). */
  readonly contractId: string | undefined;
  readonly parentId: string | undefined;
  readonly delegable: boolean;
  /** Authorisations charged so far. */
  readonly uses: number;
}

export function contractDocument(record: ContractRecord, now: number): CapabilityContract {
  return Object.freeze({
    id: record.id,
    capability: record.capability.text,
    scope: scopeOf(record),
    constraints: record.constraints,
    expiresAt: instantOf(record.expiresAt),
    issuedTo: record.issuedTo,
    issuedBy: record.provenance.by,
    createdAt: formatInstant(record.createdAt),
    delegable: record.delegable,
    isActive: record.revokedSeq === undefined && !(record.expiresAt !== undefined && now >= record.expiresAt),
    protocolVersion: record.provenance.protocolVersion,
  });
}

export function bindingDocument(record: BindingRecord, now: number): AgentCapabilityBinding {
  const { above } = record;
  const dead = livenessRefusal(record, now);
  return Object.freeze({
    id: record.id,
    agentId: record.agentId,
    capability: record.capability.text,
    scope: scopeOf(record),
    constraints: record.constraints,
    createdAt: formatInstant(record.createdAt),
    expiresAt: instantOf(record.expiresAt),
    // One that begins later is alive already: it only waits.
    isActive: dead === undefined || dead.reason === "binding_not_yet_valid",
    createdBy: record.provenance.by,
    protocolVersion: record.provenance.protocolVersion,
    contractId: above.kind === "contract" ? above.id : undefined,
    parentId: above.kind === "binding" ? above.id : undefined,
    delegable: record.delegable,
    uses: record.uses,
  });
}

/** The scope as it was given, or the resource that stands for it (SEMANTICS A4). */
function scopeOf(record: ContractRecord | BindingRecord): string {
  if (record.scopeText !== undefined) return record.scopeText;
  const { text, domain, action } = record.capability;
  return text.slice(`${domain}:${action}:`.length) || "**";
}

function instantOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : formatInstant(at);
}
