import type { LogImage } from "../core/log-image.js";
import { EvidenceError } from "../model/errors.js";
import { printBase64 } from "../model/proof/base64.js";
import type { Checkpoint } from "../model/proof/checkpoint.js";
import { equalBytes } from "../model/proof/hash.js";
import { CheckpointCheck } from "./checkpoint-check.js";
import { EventCheck } from "./event-check.js";
import { AssumedTree, type LogTree, TreeCheck } from "./tree-check.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";
import { type KnownKeys, logKeys } from "./log-keys.js";
import { type Problem, problem, problemOf } from "./problem.js";
import { blobProblems, listProblems, projectionProblems } from "./projection-check.js";

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
  if (image.isSurveyed) {
    const verdict = await verifyWith(image, options, new AssumedTree(image));
    if (verdict.ok) return verdict;
    // What comes first of all that is wrong, only a pass tells that looks at everything event by event.
  }
  return verifyWith(image, options, new TreeCheck(image));
}

async function verifyWith(image: LogImage, options: VerifyLogOptions, tree: LogTree): Promise<LogVerdict> {
  const problems: Problem[] = [];
  const take = (found: Iterable<Problem>) => {
    for (const each of found) {
      if (problems.length >= problemsMax) break;
      problems.push(each);
    }
  };
  const events = new EventCheck(image, tree);
  let checkpoints: CheckpointCheck | undefined;
  try {
    const { keys, trusted } = logKeys(image, options);
    const against = options.against === undefined ? undefined : openAgainst(keys, options.against);
    tree.begin(against === undefined ? [] : [against.size]);
    const signed = new CheckpointCheck(image, keys);
    checkpoints = signed;
    const compare = (size: number, root: () => Uint8Array) => {
      signed.compare(size, root);
      if (against?.size === size && !equalBytes(against.root, root())) throw rewritten(against.size);
    };
    const each = () => {
      if (!tree.isAssumed) compare(tree.size, () => tree.root);
      if (events.meetsTables()) take(projectionProblems(image, events));
    };
    await readAll(image, events, each, options);
    for (const [size, root] of await tree.late()) compare(size, () => root);
    assertSameRotations(events, keys);
    events.end();
    take(listProblems(image, events));
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
    root: tree.isAssumed && problems.length > 0 ? "" : printBase64(tree.root),
    problems: Object.freeze(problems.slice(0, problemsMax)),
  });
}

async function readAll(
  image: LogImage,
  events: EventCheck,
  each: () => void,
  { onProgress, signal }: VerifyLogOptions,
): Promise<void> {
  const total = image.lastSeq();
  each();
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const page = image.entries(after, pageSize, events.needsLeaves);
    const rows = page === undefined ? image.events(after, pageSize) : [];
    if (page !== undefined) events.takePage(page, each);
    for (const row of rows) {
      events.take(row);
      each();
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
