import type { HandleFactory } from "../core/ports.js";
import type { LogImage } from "../core/log-image.js";
import { eventsOf } from "../core/log-reader.js";
import { NotFoundError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import type { RecordedRun } from "./log-source.js";
import { isDiverged, replayLog, type StepReplay } from "./replay-log.js";
import type { ReplayParts } from "./replay-step.js";

/** A run replayed: `diverged` when anything of it was not as recorded. */
export interface RunReplay {
  readonly run_id: string;
  readonly status: "identical" | "diverged";
  readonly steps: readonly StepReplay[];
}

export interface RunReplayOptions {
  readonly actions: ReplayParts["actions"];
  /** Handles that never reach anything, for actions that count relative paths from this folder. */
  readonly handlesIn: (workingFolder: string) => HandleFactory;
  /** Only this step. */
  readonly step?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: StepReplay) => void) | undefined;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** Where the events and the bytes behind their commitments come from: a database, or a bundle. */
export interface ReplaySource {
  readonly events: Iterable<AuditEvent>;
  readonly read: ReplayParts["read"];
}

/** A database as a source of a run's replay: everything up to the run's last event, for a decision rests on it all. */
export function sourceOf(image: LogImage, { lastSeq }: RecordedRun): ReplaySource {
  return { events: eventsOf(image, lastSeq), read: (key) => image.blob(key) };
}

/**
 * Decides every request of a run again, by the policy of its moment, and runs every action again from the journal.
 * The source is only read (SEMANTICS R4).
 *
 * @throws NotFoundError when the run has no such step; StoreError `database_damaged`; the signal's reason.
 */
export async function replayRun(
  run: RecordedRun,
  source: ReplaySource,
  options: RunReplayOptions,
): Promise<RunReplay> {
  const { step, signal, onStep, onProgress } = options;
  const steps: StepReplay[] = [];
  const replays = replayLog({
    ...source,
    actions: options.actions,
    handles: options.handlesIn(run.workingFolder),
    signal,
    selects: (request) =>
      request["run_id"] === run.runId && (step === undefined || request["step_id"] === step),
    onEvent: ({ seq }) => {
      signal?.throwIfAborted();
      onProgress?.(seq, run.lastSeq);
    },
  });
  for await (const replay of replays) {
    steps.push(replay);
    onStep?.(replay);
  }
  if (step !== undefined && steps.length === 0)
    throw new NotFoundError("step", step, `synapse show ${run.runId} lists those of the run`);
  const status = steps.some(isDiverged) ? "diverged" : "identical";
  return Object.freeze({ run_id: run.runId, status, steps: Object.freeze(steps) });
}
