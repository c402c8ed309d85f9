import type { LogImage } from "../core/log-image.js";
import { eventsOf } from "../core/log-reader.js";
import { NotFoundError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";

/** A run as its first event tells of it. */
export interface RecordedRun {
  readonly runId: string;
  readonly started: AuditEvent;
  /** Absolute; what its relative paths counted from. */
  readonly workingFolder: string;
  /** Number of its last event. */
  readonly lastSeq: number;
}

/**
 * The run that is named, else the newest.
 * @throws NotFoundError
 */
export function findRun(image: LogImage, runId = image.newestRun()): RecordedRun {
  const range = runId === undefined ? undefined : image.rangeOfRun(runId);
  if (runId === undefined || range === undefined) {
    throw new NotFoundError("run", runId ?? "(none)", "synapse runs lists them");
  }
  for (const event of eventsOf(image, range.last, range.first - 1)) {
    if (event.event !== "run_started" || event["run_id"] !== runId) continue;
    return Object.freeze({
      runId,
      started: event,
      workingFolder: workingFolderOf(event),
      lastSeq: range.last,
    });
  }
  throw new NotFoundError("run", runId, "its start is not in the log");
}

/** What a log of somebody else's making calls a folder may be anything. */
export function workingFolderOf({ working_folder: folder }: AuditEvent): string {
  return typeof folder === "string" && folder.startsWith("/") ? folder : "/";
}
