import type { AgentCapabilityBinding, CapabilityContract } from "../core/documents.js";
import type { JsonObject } from "../model/json.js";

/** A contract as it is printed: snake_case, null for what it does not have. */
export function contractJson(contract: CapabilityContract): JsonObject {
  return {
    contract_id: contract.id,
    capability: contract.capability,
    scope: contract.scope,
    constraints: contract.constraints as unknown as JsonObject,
    issued_to: contract.issuedTo,
    issued_by: contract.issuedBy,
    created_at: contract.createdAt,
    expires_at: contract.expiresAt ?? null,
    is_active: contract.isActive,
    delegable: contract.delegable,
    protocol_version: contract.protocolVersion,
  };
}

/** A binding as it is printed. */
export function bindingJson(binding: AgentCapabilityBinding): JsonObject {
  return {
    binding_id: binding.id,
    agent_id: binding.agentId,
    capability: binding.capability,
    scope: binding.scope,
    constraints: binding.constraints as unknown as JsonObject,
    created_at: binding.createdAt,
    expires_at: binding.expiresAt ?? null,
    is_active: binding.isActive,
    created_by: binding.createdBy,
    contract_id: binding.contractId ?? null,
    parent_id: binding.parentId ?? null,
    delegable: binding.delegable,
    uses: binding.uses,
    protocol_version: binding.protocolVersion,
  };
}
