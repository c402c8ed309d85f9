import { createHash } from "node:crypto";
import { nodeCrypto } from "../core/node-crypto.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { isJsonObject, type JsonObject } from "../model/json.js";
import { parseBase64 } from "../model/proof/base64.js";
import { type Checkpoint, openCheckpoint } from "../model/proof/checkpoint.js";
import { type NoteVerifier, parseNote } from "../model/proof/note.js";
import { provenEvent } from "../model/proof/proof-document.js";
import { ed25519Verifier, type VerifierKey } from "../model/proof/verifier-key.js";
import type { BlobReader } from "./blob-reader.js";
import { bundleFormat, type BundleLimits, bundleLimits, malformedBundle } from "./bundle-format.js";
import { readBundleLines } from "./bundle-lines.js";
import { blobKeysOf } from "../core/commitment.js";
import { type RecordedRun, workingFolderOf } from "./log-source.js";

/** A bundle all of which was verified: every event stands in the log of the checkpoint, every byte is committed to. */
export interface Bundle {
  readonly checkpoint: Checkpoint;
  /** Whether a key that the reader knows signed the checkpoint (SEMANTICS R5). */
  readonly authenticated: boolean;
  /** Whether it holds every event of the checkpoint, so that nothing can have been left out. */
  readonly complete: boolean;
  readonly run: RecordedRun;
  readonly events: readonly AuditEvent[];
  readonly read: BlobReader;
  readonly blobs: number;
  /** Commitments of the run whose bytes are not in it: they were erased, or left out. */
  readonly missing: readonly string[];
}

type Blobs = Map<string, { readonly salt: Uint8Array; readonly bytes: Uint8Array }>;

/**
 * Reads and verifies a bundle. Whoever wrote it may be hostile: it is bounded, nothing in it is run, and nothing of it
 * is believed before it is proven.
 *
 * @param key undefined: every key that signed is taken at its word, which proves nothing (SEMANTICS R5).
 * @throws EvidenceError; SynapseError `unreadable_file`.
 */
export async function readBundle(
  path: string,
  key: VerifierKey | undefined,
  limits: BundleLimits = bundleLimits,
): Promise<Bundle> {
  let header: { readonly runId: string; readonly checkpoint: Checkpoint } | undefined;
  const events: AuditEvent[] = [];
  const own: AuditEvent[] = [];
  const committed = new Set<string>();
  const blobs: Blobs = new Map();
  for await (const line of readBundleLines(path, limits)) {
    if (header === undefined) header = readHeader(line, key);
    else if (line["type"] === "event") {
      if (blobs.size > 0) throw outOfOrder("an event of the bundle stands after recorded bytes");
      const event = provenAt(line, events, header.checkpoint, limits);
      events.push(event);
      if (event["run_id"] !== header.runId) continue;
      own.push(event);
      for (const { ref } of blobKeysOf(event)) committed.add(ref);
    } else if (line["type"] === "blob") addBlob(blobs, line, committed);
    else throw malformedBundle("one of its lines is neither an event nor bytes");
  }
  if (header === undefined) throw malformedBundle("it is empty");
  const { runId, checkpoint } = header;
  return Object.freeze({
    checkpoint,
    authenticated: key !== undefined,
    complete: events.length === checkpoint.size,
    run: runOf(runId, own),
    events: Object.freeze(events),
    read: ({ ref }) => blobs.get(ref),
    blobs: blobs.size,
    missing: Object.freeze([...committed].filter((ref) => !blobs.has(ref))),
  } satisfies Bundle);
}

function readHeader(
  line: JsonObject,
  key: VerifierKey | undefined,
): { readonly runId: string; readonly checkpoint: Checkpoint } {
  const { type, format, run_id: runId, checkpoint: note } = line;
  if (type !== "bundle" || format !== bundleFormat)
    throw malformedBundle(`its first line does not say \`${bundleFormat}\``);
  if (typeof runId !== "string" || typeof note !== "string")
    throw malformedBundle("its first line names no run and no checkpoint");
  const verifiers = key === undefined ? anySigner(note) : [ed25519Verifier(nodeCrypto, key)];
  return { runId, checkpoint: openCheckpoint(note, verifiers) };
}

/** Every key that the note names, taken at its word. */
function anySigner(note: string): NoteVerifier[] {
  return parseNote(note).signatures.map(({ name, keyId }) => ({ name, keyId, verify: () => true }));
}

/** The event of a line, which has to come after those before it in the log. */
function provenAt(
  line: JsonObject,
  events: readonly AuditEvent[],
  checkpoint: Checkpoint,
  limits: BundleLimits,
): AuditEvent {
  if (events.length >= limits.eventsMax) throw malformedBundle(`it has more than ${limits.eventsMax} events`);
  const { event, inclusion } = line;
  if (event === undefined || !isJsonObject(event)) throw malformedBundle("one of its events is none");
  const seq = event["seq"];
  if (typeof seq !== "number" || seq <= (events.at(-1)?.seq ?? 0))
    throw outOfOrder("the bundle's events are not in the order of the log");
  if (!Array.isArray(inclusion) || !inclusion.every((hash): hash is string => typeof hash === "string"))
    throw malformedBundle("one of its proofs is none");
  return provenEvent(nodeTreeHasher, { event, index: seq - 1, inclusion }, checkpoint).event;
}

function outOfOrder(message: string): EvidenceError {
  return new EvidenceError("wrong_order", message);
}

/** @param committed what the run committed to: all else would only fill the memory of the reader. */
function addBlob(
  blobs: Blobs,
  { ref, salt: saltText, bytes: bytesText }: JsonObject,
  committed: ReadonlySet<string>,
): void {
  const salt = typeof saltText === "string" ? parseBase64(saltText) : undefined;
  const bytes = typeof bytesText === "string" ? parseBase64(bytesText) : undefined;
  if (typeof ref !== "string" || salt === undefined || bytes === undefined || blobs.has(ref))
    throw malformedBundle("some of its bytes are none, or stand in it twice");
  if (!committed.has(ref))
    throw malformedBundle(`no event of its run commits to the bytes \`${ref.slice(0, 64)}\``);
  if (createHash("sha256").update(salt).update(bytes).digest("hex") !== ref) {
    throw new EvidenceError(
      "entry_mismatch",
      `the bytes behind \`${ref.slice(0, 64)}\` are not those committed to`,
    );
  }
  blobs.set(ref, { salt, bytes });
}

function runOf(runId: string, own: readonly AuditEvent[]): RecordedRun {
  const started = own.find((event) => event.event === "run_started");
  const last = own.at(-1);
  if (started === undefined || last === undefined)
    throw malformedBundle(`it does not hold the start of the run \`${runId.slice(0, 100)}\``);
  return Object.freeze({
    runId,
    started,
    workingFolder: workingFolderOf(started),
    lastSeq: last.seq,
  });
}
