import { EvidenceError } from "../errors.js";
import { parseBase64, printBase64 } from "./base64.js";
import { type ConsistencyClaim, verifyConsistencyWith } from "./consistency.js";
import { equalBytes, hashBytes, isCount, type TreeHasher } from "./hash.js";
import { isKeyName, noteMessage, type NoteVerifier, openNote } from "./note.js";

/** What a log says it was: so many entries, with this root (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log. */
  readonly origin: string;
  /** Number of entries, at most 2^53 - 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Further lines; ours have none. */
  readonly extensions: readonly string[];
}

/** The text that is signed. @throws EvidenceError `malformed_checkpoint`, `malformed_note`. */
export function printCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const text = [origin, String(size), printBase64(root), ...extensions, ""].join("\n");
  noteMessage(text);
  const read = parseCheckpointText(text);
  // A newline inside an origin would sign another checkpoint than the one that was meant.
  if (read.origin !== origin || read.extensions.length !== extensions.length)
    throw malformed("one of its lines holds a newline");
  return text;
}

/**
 * Reads the text of a checkpoint: origin, size in decimal, root in base64, and lines that are not empty.
 * @throws EvidenceError `malformed_checkpoint`.
 */
export function parseCheckpointText(text: string): Checkpoint {
  if (!text.endsWith("\n")) throw malformed("it does not end in a newline");
  const [origin = "", sizeText = "", rootText = "", ...extensions] = text.slice(0, -1).split("\n");
  if (origin === "") throw malformed("it has no origin");
  const size = /^(?:0|[1-9][0-9]{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  if (!isCount(size)) throw malformed("its second line is not a size from 0 to 2^53 - 1");
  const root = parseBase64(rootText);
  if (root?.length !== hashBytes) throw malformed(`its third line is not the base64 of ${hashBytes} bytes`);
  if (extensions.includes("")) throw malformed("one of its lines is empty");
  return Object.freeze({ origin, size, root, extensions: Object.freeze(extensions) });
}

/**
 * Verifies a signed checkpoint and gives what it says.
 *
 * The origin must be the name of the key that signed, unless another is named: a key that serves two logs must
 * not let a checkpoint of one pass for one of the other.
 *
 * @param origin which log it has to be of; default the name of the verified key.
 * @throws EvidenceError `malformed_note`, `malformed_checkpoint`, `unknown_key`, `ambiguous_key`,
 *   `invalid_signature`, `wrong_origin`.
 */
export function openCheckpoint(
  note: string | Uint8Array,
  verifiers: readonly NoteVerifier[],
  origin?: string,
): Checkpoint {
  const { text, verified } = openNote(note, verifiers);
  const checkpoint = parseCheckpointText(text);
  const allowed = origin === undefined ? verified.map(({ name }) => name) : [origin];
  if (!allowed.includes(checkpoint.origin)) {
    throw new EvidenceError(
      "wrong_origin",
      `the checkpoint is of the log \`${checkpoint.origin.slice(0, 200)}\`, not of \`${allowed.join("`, `").slice(0, 200)}\``,
    );
  }
  return checkpoint;
}

/**
 * Verifies that a newer checkpoint grew out of an older one: same log, no smaller, and the older tree a prefix.
 *
 * @param proof consistency proof; empty when the sizes are equal or the older tree is empty.
 * @throws EvidenceError `wrong_origin`, `checkpoint_behind`, and what `verifyConsistency` throws.
 */
export function verifySuccession(
  hasher: TreeHasher,
  older: Checkpoint,
  newer: Checkpoint,
  proof: ConsistencyClaim["proof"],
): void {
  assertNotBehind(older, newer);
  if (older.size > 0) {
    verifyConsistencyWith(hasher, {
      size1: older.size,
      root1: older.root,
      size2: newer.size,
      root2: newer.root,
      proof,
    });
    return;
  }
  assertEmptyRoot(hasher, older);
  if (newer.size === 0) assertEmptyRoot(hasher, newer);
  if (proof.length > 0) throw new EvidenceError("proof_too_long", "an empty tree needs no proof");
}

/** @throws EvidenceError `wrong_origin`; `checkpoint_behind` when the newer one has fewer entries. */
export function assertNotBehind(older: Checkpoint, newer: Checkpoint): void {
  if (older.origin !== newer.origin) {
    throw new EvidenceError("wrong_origin", `\`${newer.origin}\` and \`${older.origin}\` are different logs`);
  }
  if (newer.size < older.size) {
    throw new EvidenceError(
      "checkpoint_behind",
      `the log has ${newer.size} entries and had ${older.size} before`,
      {
        hint: "entries were cut off, or an old copy of the log was put back",
      },
    );
  }
}

/** Whether a text can be the origin of a log of ours, whose key bears the same name. */
export const isOrigin = isKeyName;

function assertEmptyRoot(hasher: TreeHasher, { root }: Checkpoint): void {
  if (!equalBytes(root, hasher.empty)) {
    throw new EvidenceError("root_mismatch", "the root of the empty tree is the SHA-256 of nothing");
  }
}

function malformed(why: string): EvidenceError {
  return new EvidenceError("malformed_checkpoint", `this is not a checkpoint: ${why}`);
}
