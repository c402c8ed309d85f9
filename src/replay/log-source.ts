import type { LogImage } from "../core/log-image.js";
import { NotFoundError, StoreError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { isJsonObject } from "../model/json.js";

const pageSize = 1_000;

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

/** Events in log order up to number `last`, a page at a time: a long log does not have to fit into memory. */
export function* eventsOf(image: LogImage, last: number, after = 0): Generator<AuditEvent> {
  let seq = after;
  while (seq < last) {
    const rows = image.events(seq, Math.min(pageSize, last - seq));
    if (rows.length === 0) throw damaged(seq + 1, "it is missing");
    for (const row of rows) {
      if (row.seq !== seq + 1) throw damaged(seq + 1, "it is missing");
      yield parseRow(row.seq, row.doc);
      seq = row.seq;
    }
  }
}

function parseRow(seq: number, doc: Uint8Array | undefined): AuditEvent {
  if (doc === undefined) throw damaged(seq, "its row holds no text");
  try {
    const value: unknown = JSON.parse(Buffer.from(doc).toString("utf8"));
    if (isJsonObject(value as never)) return value as AuditEvent;
  } catch (cause) {
    throw damaged(seq, "it is not JSON", cause);
  }
  throw damaged(seq, "it is not an object");
}

function damaged(seq: number, why: string, cause?: unknown): StoreError {
  return new StoreError("database_damaged", `event ${seq} cannot be read: ${why}`, {
    hint: "`synapse audit verify` says what else is wrong",
    cause,
  });
}
