import { EvidenceError } from "../errors.js";
import { parseBase64, printBase64 } from "./base64.js";
import type { ProofCrypto } from "./crypto.js";
import { hashBytes, type Sha256 } from "./hash.js";
import { isKeyName, type NoteSignature, type NoteVerifier, noteMessage, printNote } from "./note.js";
import { encodeUtf8 } from "./utf8.js";

/** The public half of the Ed25519 key that signs a log's checkpoints (C2SP signed-note, type 0x01). */
export interface VerifierKey {
  /** For a log of ours, its origin. */
  readonly name: string;
  /** First four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key), as an unsigned number: a label, not a safeguard. */
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

const ed25519Type = 0x01;

/** @throws EvidenceError `malformed_key` for a name or a key that cannot be one. */
export function verifierKey(sha256: Sha256, name: string, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw malformed(name, "its name is empty or holds a space or a plus sign");
  if (publicKey.length !== hashBytes)
    throw malformed(name, `it has ${publicKey.length} bytes, an Ed25519 key has ${hashBytes}`);
  const digest = sha256(Uint8Array.of(...encodeUtf8(name), 0x0a, ed25519Type, ...publicKey));
  return Object.freeze({
    name,
    keyId: new DataView(digest.buffer, digest.byteOffset).getUint32(0),
    publicKey: Uint8Array.from(publicKey),
  });
}

/** `name+keyid+base64(0x01 ‖ key)`, the form in which keys are handed on. */
export function printVerifierKey({ name, keyId, publicKey }: VerifierKey): string {
  return `${name}+${hex8(keyId)}+${printBase64(Uint8Array.of(ed25519Type, ...publicKey))}`;
}

/**
 * Reads a verifier key; other algorithms than Ed25519 are refused.
 * @throws EvidenceError `malformed_key`.
 */
export function parseVerifierKey(sha256: Sha256, text: string): VerifierKey {
  // Base64 may hold plus signs, a name may not: only the first two separate.
  const match = /^([^+]*)\+([0-9a-f]{8})\+(.+)$/u.exec(text.length <= 1_024 ? text : "");
  if (match === null) throw malformed(text, "it is not of the form `name+keyid+base64`");
  const [, name = "", keyId = "", base64 = ""] = match;
  const bytes = parseBase64(base64);
  if (bytes === undefined) throw malformed(text, "its last part is not base64");
  if (bytes[0] !== ed25519Type) throw malformed(text, "it is not an Ed25519 key");
  const key = verifierKey(sha256, name, bytes.slice(1));
  if (hex8(key.keyId) !== keyId)
    throw malformed(text, `its id is not that of its name and key, \`${hex8(key.keyId)}\``);
  return key;
}

/** Verifies notes with a key. */
export function ed25519Verifier(crypto: ProofCrypto, key: VerifierKey): NoteVerifier {
  const { name, keyId, publicKey } = key;
  return Object.freeze({
    name,
    keyId,
    verify: (message: Uint8Array, signature: Uint8Array) =>
      crypto.verifyEd25519(publicKey, message, signature),
  });
}

/**
 * The note that a signer made of a text. What the signer gave is verified first: a key service that answers
 * for another key, or garbage, must not put a checkpoint into the world that nobody can verify.
 *
 * @param signature of `noteMessage(text)`, 64 bytes.
 * @throws EvidenceError `malformed_note`, `invalid_signature`.
 */
export function signedNote(
  crypto: ProofCrypto,
  text: string,
  key: VerifierKey,
  signature: Uint8Array,
): string {
  return verifiedNote(
    text,
    key,
    signature,
    crypto.verifyEd25519(key.publicKey, noteMessage(text), signature),
  );
}

/** The same for who verified the signature elsewhere, with `isGood` for what came of it. */
export function verifiedNote(text: string, key: VerifierKey, signature: Uint8Array, isGood: boolean): string {
  const line: NoteSignature = { name: key.name, keyId: key.keyId, signature };
  if (!isGood) {
    throw new EvidenceError(
      "invalid_signature",
      `the signer of \`${key.name}\` did not sign with the key it says it has`,
    );
  }
  return printNote(text, [line]);
}

function hex8(keyId: number): string {
  return keyId.toString(16).padStart(8, "0");
}

function malformed(text: string, why: string): EvidenceError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return new EvidenceError("malformed_key", `\`${shown}\` is not a verifier key: ${why}`, {
    hint: "verifier keys look like example.com/log+530d903a+AekyeRrm…",
  });
}
