/**
 * Verification of logs without trust in the machine that made them, and without this package's runtime: these
 * functions load no Node module and run in a browser. What they take on trust is the verifier key alone.
 */
import {
  type Checkpoint,
  openCheckpoint,
  parseCheckpointText,
  verifySuccession,
} from "./model/proof/checkpoint.js";
import { type ConsistencyClaim, verifyConsistencyWith } from "./model/proof/consistency.js";
import { portableCrypto, type ProofCrypto } from "./model/proof/crypto.js";
import { entryBytes } from "./model/proof/entry.js";
import { treeHasher } from "./model/proof/hash.js";
import { type InclusionClaim, verifyInclusionWith } from "./model/proof/inclusion.js";
import { type NoteSignature, type NoteVerifier, parseNote } from "./model/proof/note.js";
import { type ProvenEvent, verifyProofDocumentWith } from "./model/proof/proof-document.js";
import {
  ed25519Verifier,
  parseVerifierKey as parseKey,
  type VerifierKey,
} from "./model/proof/verifier-key.js";
import type { JsonObject } from "./model/json.js";
import { type ReadFile, type VerifiedExport, verifyExportWith } from "./verify/export.js";

export { EvidenceError, type EvidenceCode } from "./model/errors.js";
export { grammarChecker, type GrammarChecker } from "./model/proof/grammar.js";
export { proofFormat, type ProofDocument } from "./model/proof/proof-document.js";
export { printVerifierKey } from "./model/proof/verifier-key.js";
export type { Checkpoint, ConsistencyClaim, InclusionClaim, NoteSignature, ProofCrypto, ProvenEvent };
export type { ReadFile, VerifiedExport, VerifierKey };

/** A verifier key, as text (`name+keyid+base64`) or parsed; several when the log changed its key. */
export type TrustedKeys = string | VerifierKey | readonly (string | VerifierKey)[];

export interface VerifyOptions {
  /** Which log the evidence has to be of; default the name of the key that signed. */
  readonly origin?: string;
  /** A faster implementation, such as Node's own; default pure JavaScript. */
  readonly crypto?: ProofCrypto;
}

export interface VerifyExportOptions extends VerifyOptions {
  /**
   * An older signed checkpoint that was kept elsewhere: the log must have grown out of it. By a trusted key, or by
   * one that the log says the key in force replaced.
   */
  readonly against?: string | Uint8Array;
  /** Told how many entries have been verified, of how many. */
  readonly onProgress?: (done: number, size: number) => void;
}

const portableHasher = treeHasher(portableCrypto.sha256);

/** The hash of an entry: SHA-256(0x00 ‖ bytes), where the bytes of an event are its RFC 8785 form. */
export function leafHash(entry: Uint8Array): Uint8Array {
  return portableHasher.leaf(entry);
}

/** The bytes of an event that are hashed: RFC 8785, UTF-8. */
export function eventBytes(event: JsonObject): Uint8Array {
  return entryBytes(event);
}

/** @throws EvidenceError `malformed_key`; other algorithms than Ed25519 are refused. */
export function parseVerifierKey(text: string): VerifierKey {
  return parseKey(portableCrypto.sha256, text);
}

/**
 * Reads a signed checkpoint without verifying it: nothing that it says may be relied on.
 * @throws EvidenceError `malformed_note`, `malformed_checkpoint`.
 */
export function parseCheckpoint(note: string | Uint8Array): {
  readonly checkpoint: Checkpoint;
  readonly signatures: readonly NoteSignature[];
} {
  const { text, signatures } = parseNote(note);
  return Object.freeze({ checkpoint: parseCheckpointText(text), signatures });
}

/**
 * Verifies a signed checkpoint and gives what it says.
 * @throws EvidenceError `malformed_key`, `malformed_note`, `malformed_checkpoint`, `unknown_key`,
 *   `ambiguous_key`, `invalid_signature`, `wrong_origin`.
 */
export function verifyCheckpoint(
  note: string | Uint8Array,
  keys: TrustedKeys,
  options: VerifyOptions = {},
): Checkpoint {
  return openCheckpoint(note, verifiersOf(keys, options.crypto), options.origin);
}

/**
 * Verifies that a leaf stands where it is said to (RFC 9162, 2.1.3.2).
 * @throws EvidenceError `index_out_of_range`, `malformed_proof`, `proof_too_short`, `proof_too_long`, `root_mismatch`.
 */
export function verifyInclusion(claim: InclusionClaim): void {
  verifyInclusionWith(portableHasher, claim);
}

/**
 * Verifies that a tree is what a larger one began with (RFC 9162, 2.1.4.2).
 * @throws EvidenceError `index_out_of_range`, `malformed_proof`, `proof_too_short`, `proof_too_long`, `root_mismatch`.
 */
export function verifyConsistency(claim: ConsistencyClaim): void {
  verifyConsistencyWith(portableHasher, claim);
}

/**
 * Verifies that a log went from one verified checkpoint to another by appending alone.
 * @throws EvidenceError `wrong_origin`, `checkpoint_behind`, and what `verifyConsistency` throws.
 */
export function verifyGrowth(older: Checkpoint, newer: Checkpoint, proof: readonly Uint8Array[]): void {
  verifySuccession(portableHasher, older, newer, proof);
}

/**
 * Verifies a proof document (`synapse-proof/v1`), given as text, bytes or a parsed value.
 *
 * @returns the event that was proven; rely on it and not on the document.
 * @throws EvidenceError `malformed_proof`, `malformed_entry`, `wrong_order`, what `verifyCheckpoint` and
 *   `verifyInclusion` throw.
 */
export function verifyProofDocument(
  document: unknown,
  keys: TrustedKeys,
  options: VerifyOptions = {},
): ProvenEvent {
  const verifiers = verifiersOf(keys, options.crypto);
  return verifyProofDocumentWith(hasherOf(options.crypto), document, verifiers, options.origin);
}

/**
 * Verifies an exported log (C2SP tlog-tiles): the checkpoint's signature, every tile, every entry, the roots
 * they add up to, and that the events make sense together (`grammarChecker`).
 *
 * @throws EvidenceError naming the first wrong event (`seq`) or file (`path`): `missing_file`,
 *   `malformed_tile`, `tile_mismatch`, `entry_mismatch`, `malformed_entry`, `wrong_order`, `root_mismatch`,
 *   `checkpoint_behind`, and what `verifyCheckpoint` throws.
 */
export async function verifyExport(
  readFile: ReadFile,
  keys: TrustedKeys,
  options: VerifyExportOptions = {},
): Promise<VerifiedExport> {
  const { crypto, origin, against, onProgress } = options;
  return verifyExportWith(readFile, {
    hasher: hasherOf(crypto),
    crypto: crypto ?? portableCrypto,
    keys: keysOf(keys, crypto),
    verifiers: verifiersOf(keys, crypto),
    origin,
    against,
    onProgress,
  });
}

function hasherOf(crypto: ProofCrypto | undefined) {
  return crypto === undefined ? portableHasher : treeHasher(crypto.sha256);
}

function verifiersOf(keys: TrustedKeys, crypto: ProofCrypto = portableCrypto): NoteVerifier[] {
  return keysOf(keys, crypto).map((key) => ed25519Verifier(crypto, key));
}

function keysOf(keys: TrustedKeys, crypto: ProofCrypto = portableCrypto): VerifierKey[] {
  const list = Array.isArray(keys)
    ? (keys as readonly (string | VerifierKey)[])
    : [keys as string | VerifierKey];
  return list.map((key) => (typeof key === "string" ? parseKey(crypto.sha256, key) : key));
}
