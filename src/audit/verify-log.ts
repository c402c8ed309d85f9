import type { LogImage } from "../core/log-image.js";
import { EvidenceError } from "../model/errors.js";
import { printBase64 } from "../model/proof/base64.js";
import type { Checkpoint } from "../model/proof/checkpoint.js";
import { equalBytes } from "../model/proof/hash.js";
import { CheckpointCheck } from "./checkpoint-check.js";
import { EventCheck } from "./event-check.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";
import { type KnownKeys, logKeys } from "./log-keys.js";
import { type Problem, problem, problemOf } from "./problem.js";
import { blobProblems, projectionProblems } from "./projection-check.js";

export interface VerifyLogOptions extends KnownKeys {
  /** A signed checkpoint that was kept elsewhere. */
  readonly against?: string | undefined;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LogVerdict {
  readonly ok: boolean;
  /** Events that were found good. */
  readonly events: number;
  /** Checkpoints that were found good. */
  readonly checkpoints: number;
  /** RFC 9162 root of those events, base64 as in a checkpoint. */
  readonly root: string;
  /** The first one first; at most a hundred. */
  readonly problems: readonly Problem[];
}

const pageSize = 256;
const problemsMax = 100;

/**
 * Verifies a log where it is stored: the file, every event, the tree, every checkpoint, and the tables that the
 * store decides from. Reads a page at a time, however long the log is.
 */
export async function verifyLog(image: LogImage, options: VerifyLogOptions = {}): Promise<LogVerdict> {
  const problems: Problem[] = [];
  const take = (found: Iterable<Problem>) => {
    for (const each of found) {
      if (problems.length >= problemsMax) break;
      problems.push(each);
    }
  };
  const events = new EventCheck(image);
  let checkpoints: CheckpointCheck | undefined;
  try {
    const { keys, trusted } = logKeys(image, options);
    const against = options.against === undefined ? undefined : openAgainst(keys, options.against);
    checkpoints = new CheckpointCheck(image, keys);
    const noteTables = () => {
      if (!events.meetsTables()) return;
      take(projectionProblems(image, events));
    };
    await readAll(image, { events, checkpoints, against, noteTables }, options);
    assertSameRotations(events, keys);
    events.end();
    checkpoints.end(events.size, trusted);
    assertNotShorter(events.size, against);
    take(blobProblems(await image.blobs(), events));
  } catch (error) {
    const found = problemOf(error);
    if (found === undefined) throw error;
    problems.push(found);
  }
  // Last, since it names no event: whoever reads the first problem learns where to look.
  problems.push(...(await damage(image)));
  return Object.freeze({
    ok: problems.length === 0,
    events: events.size,
    checkpoints: checkpoints?.count ?? 0,
    root: printBase64(events.root),
    problems: Object.freeze(problems.slice(0, problemsMax)),
  });
}

interface Readers {
  readonly events: EventCheck;
  readonly checkpoints: CheckpointCheck;
  readonly against: Checkpoint | undefined;
  readonly noteTables: () => void;
}

async function readAll(
  image: LogImage,
  { events, checkpoints, against, noteTables }: Readers,
  { onProgress, signal }: VerifyLogOptions,
): Promise<void> {
  const total = image.eventCount();
  const compare = () => {
    checkpoints.compare(events.size, () => events.root);
    if (against?.size === events.size && !equalBytes(against.root, events.root))
      throw rewritten(against.size);
    noteTables();
  };
  compare();
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const page = image.entries(after, pageSize);
    const rows = page === undefined ? image.events(after, pageSize) : [];
    if (page !== undefined) events.takePage(page, compare);
    for (const row of rows) {
      events.take(row);
      compare();
    }
    after = events.size;
    onProgress?.(events.size, total);
    if ((page?.documents ?? rows).length < pageSize) return;
    // Lets Ctrl-C through.
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
}

async function damage(image: LogImage): Promise<Problem[]> {
  try {
    return (await image.damage()).map((why) => problem("database_damaged", why));
  } catch (error) {
    const found = problemOf(error);
    if (found === undefined) throw error;
    return [found];
  }
}

function openAgainst(keys: KeySchedule, note: string): Checkpoint {
  try {
    return keys.open(note);
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    throw new EvidenceError(error.code, `the checkpoint to compare with: ${error.message}`, { cause: error });
  }
}

/** Checkpoints were held against keys that an index led to: a rotation hidden from it would keep an old key in force. */
function assertSameRotations({ rotations }: EventCheck, { handovers }: KeySchedule): void {
  const seq = [...rotations, ...handovers].find(
    (each) => rotations.includes(each) !== handovers.includes(each),
  );
  if (seq === undefined) return;
  throw new EvidenceError("unknown_key", `event ${seq}: the index of key rotations is not that of the log`, {
    seq,
  });
}

function assertNotShorter(size: number, against: Checkpoint | undefined): void {
  if (against === undefined || against.size <= size) return;
  throw new EvidenceError("checkpoint_behind", `the log has ${size} events and had ${against.size} before`, {
    hint: "events were cut off the end, or an old copy of the log was put back",
  });
}

function rewritten(size: number): EvidenceError {
  return new EvidenceError(
    "root_mismatch",
    `the first ${size} events are not those of the checkpoint to compare with: the log was rewritten after it was made`,
  );
}
