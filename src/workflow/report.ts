/** States of a step within a run, as `show` and the summary give them. */
export type StepStatus = "completed" | "denied" | "failed" | "unknown" | "pending" | "cancelled" | "skipped";

/** One line of a run's summary; snake_case because it is printed as it is. */
export interface StepReport {
  readonly step_id: string;
  readonly status: StepStatus;
  /** Why it was denied, or the code of its failure; null otherwise. */
  readonly reason: string | null;
  readonly binding_id: string | null;
  readonly output_digest: string | null;
}

export type RunStatus = "completed" | "denied" | "failed" | "unknown" | "cancelled";

/** How a run ended. `result_digest` covers step, status, reason and output, no generated ids (SEMANTICS R2). */
export interface RunSummary {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly steps: readonly StepReport[];
  readonly result_digest: string;
}

/** What is told about a step while the run goes on, for people. */
export interface StepProgress extends StepReport {
  readonly agent: string;
  readonly action: string;
  /** The capability that was asked for, once it is known. */
  readonly capability: string | null;
  /** For the operator: why it was denied or failed. */
  readonly explanation: string | null;
  readonly duration_ms: number;
  readonly attempt: number;
}

/** One row of a plan: what would be decided now. `allowed` is null when it depends on the run (SEMANTICS R6). */
export interface PlanRow {
  readonly step_id: string;
  readonly agent: string;
  readonly action: string;
  readonly capability: string | null;
  /** Everything that its action requires with these parameters (SEMANTICS A5); empty when that is not known. */
  readonly requires: readonly string[];
  readonly allowed: boolean | null;
  readonly reason: string | null;
}
