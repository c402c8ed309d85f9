import { parseCapability, parseScope } from "../model/capability/index.js";
import { parseConstraints } from "../model/constraint/index.js";
import type { JsonObject } from "../model/json.js";
import { parseExpiry } from "../model/time.js";

/**
 * Reads what a person wrote of a contract or binding, so that a slip of the pen makes no database.
 *
 * @throws CapabilitySyntaxError, InvalidConstraintError; SynapseError `invalid_time`, `invalid_duration`.
 */
export function checkGrant(options: {
  readonly capability: string;
  readonly scope?: string;
  readonly expires?: string;
  readonly constraints?: JsonObject;
}): void {
  const capability = parseCapability(options.capability);
  if (options.scope !== undefined) parseScope(capability, options.scope);
  if (options.constraints !== undefined) parseConstraints(options.constraints, capability);
  if (options.expires !== undefined) parseExpiry(options.expires, 0);
}
