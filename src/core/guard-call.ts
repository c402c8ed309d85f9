import type { BindingRecord } from "../model/authority.js";
import type { DenialBackoff } from "./backoff.js";
import type { Ledger } from "./ledger.js";
import type { HandleFactory } from "./ports.js";
import type { RecordNames } from "./records.js";
import type { RunningSteps } from "./running-steps.js";
import type { StepLimits } from "./step-limits.js";
import type { StepOptions } from "./step-options.js";

/** What a guard is made of; behind its private name. */
export interface GuardParts {
  readonly ledger: Ledger;
  readonly handles: HandleFactory;
  readonly workingFolder: string;
  readonly limits: StepLimits;
  readonly running: RunningSteps;
  readonly backoff: DenialBackoff;
}

/** One call of the guard. */
export interface GuardCall {
  readonly context: unknown;
  readonly records: RecordNames;
  /** Capability texts that bound every requirement; undefined: the context bounds the first alone (A5). */
  readonly ceilings: readonly string[] | undefined;
  readonly options: StepOptions;
}

/** A durable authorisation: what the step may do, and under which request its events stand. */
export interface Authorization {
  readonly allowed: true;
  readonly requestId: string;
  readonly bindings: readonly BindingRecord[];
}
