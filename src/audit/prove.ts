import type { CheckpointRow, EventRow, LogImage } from "../core/log-image.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import {
  type Checkpoint,
  assertNotBehind,
  parseCheckpointText,
  verifySuccession,
} from "../model/proof/checkpoint.js";
import { proveConsistency } from "../model/proof/consistency.js";
import { parseEntry } from "../model/proof/entry.js";
import { proveInclusion, verifyInclusionWith } from "../model/proof/inclusion.js";
import { parseNote } from "../model/proof/note.js";
import { proofDocument, type ProofDocument } from "../model/proof/proof-document.js";
import { imageNodes } from "./image-nodes.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";

/** An event by its id or its number; undefined when the log has none. */
export function findEvent(image: LogImage, idOrSeq: string): EventRow | undefined {
  if (!/^[1-9][0-9]{0,15}$/.test(idOrSeq)) return withId(image.eventById(idOrSeq), idOrSeq);
  const [row] = image.events(Number(idOrSeq) - 1, 1);
  return row?.seq === Number(idOrSeq) ? row : undefined;
}

/** The index is no part of the log: an edited one must not have another event proven than was asked for. */
function withId(row: EventRow | undefined, id: string): EventRow | undefined {
  if (row?.doc === undefined || parseEntry(row.doc)["id"] === id) return row;
  throw new EvidenceError("entry_mismatch", `event ${row.seq} has another id than \`${id}\``, {
    seq: row.seq,
    hint: "the index of ids was changed: `synapse audit verify` says what is wrong with the log",
  });
}

/**
 * Proves that an event is in the log that a checkpoint signs. What is given out was verified: a log that was
 * tampered with gets no proof.
 *
 * @param checkpoint covers the event.
 * @throws EvidenceError
 */
export function proveEvent(
  image: LogImage,
  { seq, doc }: EventRow,
  checkpoint: CheckpointRow,
): ProofDocument {
  if (doc === undefined)
    throw new EvidenceError("malformed_entry", `event ${seq}: its row holds no text`, { seq });
  const { size, root } = parseCheckpointText(parseNote(checkpoint.note).text);
  const proof = proveInclusion(nodeTreeHasher, imageNodes(image), seq - 1, size);
  verifyInclusionWith(nodeTreeHasher, {
    leafHash: nodeTreeHasher.leaf(doc),
    index: seq - 1,
    size,
    root,
    proof,
  });
  return proofDocument(parseEntry(doc) as AuditEvent, proof, checkpoint.note);
}

export interface Growth {
  readonly older: Checkpoint;
  readonly newer: Checkpoint;
  /** RFC 9162, 2.1.4. */
  readonly proof: readonly Uint8Array[];
}

/**
 * Proves that the log grew out of an older checkpoint by appending alone.
 * @throws EvidenceError when either is not signed by this log's key, or the log did not.
 */
export function proveGrowth(
  image: LogImage,
  keys: KeySchedule,
  olderNote: string,
  newerNote: string,
): Growth {
  const older = keys.open(olderNote);
  const newer = keys.open(newerNote);
  assertNotBehind(older, newer);
  const proof =
    older.size === 0 ? [] : proveConsistency(nodeTreeHasher, imageNodes(image), older.size, newer.size);
  verifySuccession(nodeTreeHasher, older, newer, proof);
  return Object.freeze({ older, newer, proof });
}
