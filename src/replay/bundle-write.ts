import { blobKeysOf } from "../core/commitment.js";
import type { BlobKey } from "../core/store.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import type { CheckpointRow, LogImage } from "../core/log-image.js";
import { eventsOf } from "../core/log-reader.js";
import { authorityEvents } from "../model/change.js";
import type { AuditEvent } from "../model/event.js";
import { printBase64 } from "../model/proof/base64.js";
import { parseCheckpointText } from "../model/proof/checkpoint.js";
import { proveInclusion, verifyInclusionWith } from "../model/proof/inclusion.js";
import type { NodeReader } from "../model/proof/subtree.js";
import { parseNote } from "../model/proof/note.js";
import { entryBytes } from "../model/proof/entry.js";
import { imageNodes } from "../audit/image-nodes.js";
import { type BundleBlob, type BundleEvent, bundleFormat, type BundleLine } from "./bundle-format.js";
import type { RecordedRun } from "./log-source.js";

export interface BundleRequest {
  readonly run: RecordedRun;
  /** Covers the run's last event. */
  readonly checkpoint: CheckpointRow;
  /** The key that signed it, as `name+keyid+base64`. */
  readonly vkey: string;
  /** All events of the checkpoint, so that none can have been left out. */
  readonly complete: boolean;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/**
 * The lines of a bundle. Every event that goes in was verified against the checkpoint: a log that was tampered with
 * gives no evidence.
 *
 * @throws EvidenceError, StoreError
 */
export function* bundleLines(image: LogImage, request: BundleRequest): Generator<BundleLine> {
  const { run, checkpoint, vkey, complete } = request;
  const { size, root } = parseCheckpointText(parseNote(checkpoint.note).text);
  yield { type: "bundle", format: bundleFormat, run_id: run.runId, checkpoint: checkpoint.note, vkey };
  const nodes = remembering(imageNodes(image));
  const kept = new Map<string, BlobKey>();
  const last = complete ? size : run.lastSeq;
  for (const event of eventsOf(image, last)) {
    request.onProgress?.(event.seq, last);
    const own = event["run_id"] === run.runId;
    if (own) for (const key of blobKeysOf(event)) kept.set(key.ref, key);
    if (!own && !complete && !mattersTo(event)) continue;
    const proof = proveInclusion(nodeTreeHasher, nodes, event.seq - 1, size);
    const leafHash = nodeTreeHasher.leaf(entryBytes(event));
    verifyInclusionWith(nodeTreeHasher, { leafHash, index: event.seq - 1, size, root, proof });
    yield { type: "event", event, inclusion: proof.map(printBase64) } satisfies BundleEvent;
  }
  for (const [ref, key] of kept) {
    const blob = image.blob(key);
    // What was erased is not there any more, and the events say so.
    if (blob === undefined) continue;
    yield {
      type: "blob",
      ref,
      salt: printBase64(blob.salt),
      bytes: printBase64(blob.bytes),
    } satisfies BundleBlob;
  }
}

const rememberedMax = 50_000;

/** Proofs of neighbours share most of their nodes, and many of those have to be computed. */
function remembering(read: NodeReader): NodeReader {
  const known = new Map<string, Uint8Array>();
  return (level, index) => {
    if (level === 0) return read(level, index);
    const name = `${level}/${index}`;
    const before = known.get(name);
    if (before !== undefined) return before;
    if (known.size >= rememberedMax) known.clear();
    const hash = read(level, index);
    known.set(name, hash);
    return hash;
  };
}

/** Whether another request's decision, or the end of an authority, may have a part in this run's decisions. */
function mattersTo(event: AuditEvent): boolean {
  if (authorityEvents.includes(event.event)) return true;
  const charged = event["charged"];
  return Array.isArray(charged) && charged.length > 0;
}
