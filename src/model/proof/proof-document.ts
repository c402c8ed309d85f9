import { copyJson } from "../copy-json.js";
import { EvidenceError, InvalidDataError } from "../errors.js";
import type { AuditEvent } from "../event.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.js";
import { parseBase64, printBase64 } from "./base64.js";
import { type Checkpoint, openCheckpoint } from "./checkpoint.js";
import { claimedEntryBytes, parseEntry } from "./entry.js";
import { shapeFault } from "./event-shape.js";
import type { TreeHasher } from "./hash.js";
import { verifyInclusionWith } from "./inclusion.js";
import type { NoteVerifier } from "./note.js";
import { decodeUtf8 } from "./utf8.js";

/**
 * One event and all that is needed to verify, without the log, that it is in it. A JSON object:
 *
 * - `format`: `synapse-proof/v1`
 * - `event`: the event, as an object; its RFC 8785 bytes are the leaf
 * - `index`: its position from 0; `event.seq` is one more
 * - `inclusion`: the proof, base64 hashes from the leaf upwards (RFC 9162, 2.1.3)
 * - `checkpoint`: the signed note that the proof leads to, as text
 *
 * Other members are refused: nothing may look proven that is not.
 */
export interface ProofDocument extends JsonObject {
  readonly format: "synapse-proof/v1";
  readonly event: JsonObject;
  readonly index: number;
  readonly inclusion: readonly string[];
  readonly checkpoint: string;
}

/** What a proof document proved. */
export interface ProvenEvent {
  /** Rely on this, not on the document: it is what the leaf was computed from. */
  readonly event: AuditEvent;
  readonly index: number;
  readonly checkpoint: Checkpoint;
}

export const proofFormat = "synapse-proof/v1";

const members = ["format", "event", "index", "inclusion", "checkpoint"];
const documentBytesMax = 2 * 1024 * 1024;

/** Puts a proof document together; the checkpoint's size is the one that the proof was made for. */
export function proofDocument(
  event: AuditEvent,
  proof: readonly Uint8Array[],
  checkpoint: string,
): ProofDocument {
  return Object.freeze({
    format: proofFormat,
    event,
    index: event.seq - 1,
    inclusion: Object.freeze(proof.map(printBase64)),
    checkpoint,
  });
}

/**
 * Verifies a proof document.
 *
 * @param document its JSON text, its bytes, or the parsed value.
 * @param origin which log it has to be of; default the name of the verified key.
 * @throws EvidenceError `malformed_proof`, `malformed_entry`, what `verifyCheckpoint` throws, and what
 *   `verifyInclusion` throws: `root_mismatch` when this event is not the one that stands there.
 */
export function verifyProofDocumentWith(
  hasher: TreeHasher,
  document: unknown,
  verifiers: readonly NoteVerifier[],
  origin?: string,
): ProvenEvent {
  const proof = parseProofDocument(document);
  return provenEvent(hasher, proof, openCheckpoint(proof.checkpoint, verifiers, origin));
}

/**
 * Verifies that an event stands at its place in the log of a checkpoint that was verified before.
 *
 * @throws EvidenceError `malformed_proof`, `malformed_entry`, `wrong_order`, and what `verifyInclusion` throws.
 */
export function provenEvent(
  hasher: TreeHasher,
  proof: Pick<ProofDocument, "event" | "index" | "inclusion">,
  checkpoint: Checkpoint,
): ProvenEvent {
  const bytes = claimedEntryBytes(proof.event);
  const event = parseEntry(bytes);
  verifyInclusionWith(hasher, {
    leafHash: hasher.leaf(bytes),
    index: proof.index,
    size: checkpoint.size,
    root: checkpoint.root,
    proof: proof.inclusion.map(hashOf),
  });
  const fault = shapeFault(event);
  if (fault !== undefined)
    throw new EvidenceError("malformed_entry", `the event is not well formed: ${fault}`);
  if (event["seq"] !== proof.index + 1) {
    throw new EvidenceError(
      "wrong_order",
      `the event at index ${proof.index} is not number ${proof.index + 1} of its log`,
    );
  }
  return Object.freeze({ event: event as AuditEvent, index: proof.index, checkpoint });
}

/** @throws EvidenceError `malformed_proof`. */
export function parseProofDocument(document: unknown): ProofDocument {
  const value = plainValue(document);
  if (!isJsonObject(value)) throw malformed("it is not an object");
  if (value["format"] !== proofFormat) throw malformed(`its \`format\` is not \`${proofFormat}\``);
  const stranger = Object.keys(value).find((key) => !members.includes(key));
  if (stranger !== undefined) throw malformed(`\`${stranger.slice(0, 100)}\` is no member of one`);
  const { event, index, inclusion, checkpoint } = value;
  if (!isJsonObject(event)) throw malformed("its `event` is not an object");
  if (typeof index !== "number") throw malformed("its `index` is not a number");
  if (!Array.isArray(inclusion) || !inclusion.every((hash) => typeof hash === "string")) {
    throw malformed("its `inclusion` is not a list of texts");
  }
  if (typeof checkpoint !== "string") throw malformed("its `checkpoint` is not text");
  return Object.freeze({
    format: proofFormat,
    event,
    index,
    inclusion: inclusion,
    checkpoint,
  });
}

function plainValue(document: unknown): JsonValue {
  try {
    return copyJson(documentValue(document));
  } catch (error) {
    if (error instanceof InvalidDataError || error instanceof SyntaxError)
      throw malformed(error.message, error);
    throw error;
  }
}

function documentValue(document: unknown): unknown {
  if (typeof document !== "string" && !isBytes(document)) return document;
  if (document.length > documentBytesMax) throw malformed(`it has more than ${documentBytesMax} bytes`);
  const text = typeof document === "string" ? document : decodeUtf8(document);
  if (text === undefined) throw malformed("it is not valid UTF-8");
  return JSON.parse(text);
}

/** Bytes of this or another realm, such as another frame of a browser. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";
}

function hashOf(text: string): Uint8Array {
  const bytes = parseBase64(text);
  if (bytes === undefined) throw malformed("its `inclusion` holds something that is not base64");
  return bytes;
}

function malformed(why: string, cause?: unknown): EvidenceError {
  return new EvidenceError("malformed_proof", `this is not a proof document: ${why}`, { cause });
}
