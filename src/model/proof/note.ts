import { EvidenceError } from "../errors.js";
import { parseBase64, printBase64 } from "./base64.js";
import { equalBytes } from "./hash.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

/** One signature line of a note. Name and key id together say which key made it. */
export interface NoteSignature {
  readonly name: string;
  /** Unsigned, 32 bits. */
  readonly keyId: number;
  /** Without the key id. */
  readonly signature: Uint8Array;
}

/** A note as it was read: nothing in it has been verified. */
export interface SignedNote {
  /** What is signed, the final newline included. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Verifies the signatures of one key. Ed25519 comes with this package (`ed25519Verifier`). */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: number;
  /** @param message the UTF-8 bytes of the note's text. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A note with at least one good signature of a known key and no bad one. */
export interface OpenedNote {
  readonly text: string;
  /** By known keys, each once; never empty. */
  readonly verified: readonly NoteSignature[];
  /** By unknown keys, ignored as C2SP signed-note demands. */
  readonly unverified: readonly NoteSignature[];
}

const noteBytesMax = 1_000_000;
const signaturesMax = 100;
const signatureLine = /^\u2014 ([^ ]+) ([^ ]+)$/u;

/** Whether a text can name a key: not empty, without Unicode spaces, plus signs and control characters. */
export function isKeyName(name: string): boolean {
  return /^[^\p{White_Space}\p{Cc}+]+$/u.test(name) && name.isWellFormed();
}

/**
 * The bytes that a key signs.
 * @param text ends in a newline and holds no other control character (C2SP signed-note).
 * @throws EvidenceError `malformed_note`.
 */
export function noteMessage(text: string): Uint8Array {
  if (!text.endsWith("\n")) throw malformed("its text does not end in a newline");
  if (!text.isWellFormed()) throw malformed("it is not valid Unicode");
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) throw malformed("it holds a control character");
  }
  return encodeUtf8(text);
}

/**
 * Reads a note without verifying anything.
 * @throws EvidenceError `malformed_note`.
 */
export function parseNote(note: string | Uint8Array): SignedNote {
  if (note.length > noteBytesMax) throw malformed(`it is larger than ${noteBytesMax} bytes`);
  const whole = typeof note === "string" ? note : decodeUtf8(note);
  if (whole === undefined) throw malformed("it is not valid UTF-8");
  noteMessage(whole);
  // Text may hold empty lines of its own: the last one is where the signatures begin.
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0) throw malformed("no empty line comes before its signatures");
  const lines = whole.slice(blank + 2, -1).split("\n");
  if (blank + 2 === whole.length) throw malformed("it has no signature");
  if (lines.length > signaturesMax) throw malformed(`it has more than ${signaturesMax} signatures`);
  return Object.freeze({
    text: whole.slice(0, blank + 1),
    signatures: Object.freeze(lines.map(parseSignature)),
  });
}

/** The note that a text and its signatures make. @throws EvidenceError `malformed_note`. */
export function printNote(text: string, signatures: readonly NoteSignature[]): string {
  noteMessage(text);
  if (signatures.length === 0) throw malformed("it has no signature");
  const lines = signatures.map(({ name, keyId, signature }) => {
    if (!isKeyName(name)) throw malformed(`\`${name}\` cannot name a key`);
    const bytes = new Uint8Array(4 + signature.length);
    new DataView(bytes.buffer).setUint32(0, keyId);
    bytes.set(signature, 4);
    return `\u2014 ${name} ${printBase64(bytes)}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

/**
 * Reads a note and verifies every signature by a known key.
 *
 * Stricter than it has to be: a known key's second signature must verify as well, so no byte that claims to be
 * signed by a known key goes unchecked.
 *
 * @throws EvidenceError `malformed_note`; `ambiguous_key` when two verifiers have the name and id of a
 *   signature; `invalid_signature`; `unknown_key` when no signature is by a known key.
 */
export function openNote(note: string | Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const message = encodeUtf8(text);
  const verified: NoteSignature[] = [];
  const unverified: NoteSignature[] = [];
  for (const signature of signatures) {
    const known = verifiers.filter((verifier) => isSameKey(verifier, signature));
    const key = `${signature.name}+${signature.keyId.toString(16).padStart(8, "0")}`;
    const [verifier] = known;
    if (known.length > 1) throw new EvidenceError("ambiguous_key", `two keys are known as \`${key}\``);
    if (verifier === undefined) {
      if (!unverified.some((other) => isSameSignature(other, signature))) unverified.push(signature);
    } else if (!verifier.verify(message, signature.signature)) {
      throw new EvidenceError("invalid_signature", `the signature by \`${key}\` is not one of this text`);
    } else if (!verified.some((other) => isSameKey(other, signature))) {
      verified.push(signature);
    }
  }
  if (verified.length === 0) {
    throw new EvidenceError("unknown_key", "the note is not signed by a key that is known", {
      hint: `it carries signatures by ${signatures
        .map(({ name }) => `\`${name}\``)
        .join(", ")
        .slice(0, 500)}`,
    });
  }
  return Object.freeze({ text, verified: Object.freeze(verified), unverified: Object.freeze(unverified) });
}

function parseSignature(line: string): NoteSignature {
  const [, name = "", base64 = ""] = signatureLine.exec(line) ?? [];
  const bytes = isKeyName(name) ? parseBase64(base64) : undefined;
  if (bytes === undefined || bytes.length < 5)
    throw malformed("one of its signature lines is not of the form `\u2014 name base64`");
  return Object.freeze({
    name,
    keyId: new DataView(bytes.buffer).getUint32(0),
    signature: bytes.slice(4),
  });
}

function isSameKey(a: { readonly name: string; readonly keyId: number }, b: NoteSignature): boolean {
  return a.name === b.name && a.keyId === b.keyId;
}

function isSameSignature(a: NoteSignature, b: NoteSignature): boolean {
  return isSameKey(a, b) && equalBytes(a.signature, b.signature);
}

function malformed(why: string): EvidenceError {
  return new EvidenceError("malformed_note", `this is not a signed note: ${why}`);
}
