import type { DenialReason } from "../model/denial.js";
import type { JsonObject } from "../model/json.js";

/** May this agent do this, and why? */
export interface CheckRequest {
  readonly agentId: string;
  readonly capability: string;
  readonly scope?: string | undefined;
  readonly params?: JsonObject | undefined;
  readonly workflowId?: string | undefined;
  readonly stepId?: string | undefined;
}

/** A decision, with what determined it (STYLE 4). `explanation` names policy: for the operator (D3). */
export interface Decision {
  readonly allowed: boolean;
  /** The binding that allows it; undefined when denied. */
  readonly bindingId: string | undefined;
  /** Why not; undefined when allowed. */
  readonly reason: DenialReason | undefined;
  readonly explanation: string;
}
