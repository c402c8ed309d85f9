import type { ActionRegistry } from "../core/action.js";
import type { AuditMechanism } from "../core/audit.js";
import type { SecureWorkflowExecutor } from "../core/execution.js";
import type { JsonObject } from "../model/json.js";
import { checkActions, type WorkflowDefinition } from "./definition.js";
import { checkConcurrency, executeRun, type ExecutionOptions } from "./execute-run.js";
import type { RunSummary } from "./report.js";
import { checkRetries } from "./retry.js";
import { RunLog } from "./run-log.js";

/** The parts of a pipeline that a run uses. */
export interface RunParts {
  readonly executor: SecureWorkflowExecutor;
  readonly audit: AuditMechanism;
  readonly actions: ActionRegistry;
  readonly workingFolder: string;
}

export interface RunOptions extends ExecutionOptions {
  readonly pipeline: RunParts;
  readonly definition: WorkflowDefinition;
  /** As `resolveInputs` gives them. */
  readonly inputs: JsonObject;
  /** Default the definition's, else 0. */
  readonly seed?: number | string | undefined;
  /** The run that this one does over, for the record. */
  readonly replays?: string | undefined;
}

/**
 * Runs a workflow: every step through the executor, as soon as its needs have ended. The run's start, its
 * steps and its end are in the log.
 *
 * @throws DocumentError for unknown actions and retries of what is not idempotent, and TypeError for a
 *   `concurrency` that is none, before anything runs; AuditUnavailableError when the run itself cannot be recorded.
 */
export async function runWorkflow(options: RunOptions): Promise<RunSummary> {
  const { pipeline, definition, inputs } = options;
  checkConcurrency(options);
  checkActions(definition, new Set(pipeline.actions.names()));
  checkRetries(definition, pipeline.actions);
  const seed = options.seed ?? definition.seed ?? 0;
  const { workingFolder } = pipeline;
  const log = await RunLog.start(pipeline.audit, {
    definition,
    inputs,
    seed,
    workingFolder,
    replays: options.replays,
  });
  return executeRun({ pipeline, log, definition, inputs, seed, before: new Map(), options });
}
