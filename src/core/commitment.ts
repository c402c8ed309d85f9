import type { AuditEvent } from "../model/event.js";
import { randomFillSync } from "node:crypto";
import { canonicalJson } from "../model/canonical.js";
import type { JsonValue } from "../model/json.js";
import { sha256Hex } from "../model/sha256.js";
import type { Blob, BlobKey } from "./store.js";

/**
 * A salted commitment to a value (SEMANTICS R3): the log holds `ref`, the store holds salt and bytes. The
 * salt keeps a short value (a yes, a name) from being guessed from its digest.
 */
export function commitTo(value: JsonValue): Blob {
  return commitToText(canonicalJson(value));
}

/** @param text the value's RFC 8785 form. */
export function commitToText(text: string): Blob {
  // What is hashed is one piece of memory from the beginning: the text may be large, and is not copied twice.
  const salted = Buffer.allocUnsafe(saltBytes + Buffer.byteLength(text));
  putSalt(salted);
  salted.write(text, saltBytes);
  return { ref: sha256Hex(salted), salt: salted.subarray(0, saltBytes), bytes: salted.subarray(saltBytes) };
}

/** A commitment that is made when nothing else is to be done, or when it is asked for. */
export class LaterCommitment {
  readonly #text: string;
  #blob: Blob | undefined;

  /** @param text the value's RFC 8785 form. */
  constructor(text: string) {
    this.#text = text;
    setImmediate(() => this.#prepare());
  }

  get blob(): Blob {
    return (this.#blob ??= commitToText(this.#text));
  }

  #prepare(): void {
    try {
      this.#blob ??= commitToText(this.#text);
    } catch {
      // Whoever asks for it tries again, and is told: here there is nobody to tell but the process.
      this.#blob = undefined;
    }
  }
}

const saltBytes = 16;
const salts = Buffer.alloc(256 * saltBytes);
let used = salts.length;

/** The operating system is asked for many at once; one that was given out is not kept. */
function putSalt(into: Buffer): void {
  if (used === salts.length) {
    randomFillSync(salts);
    used = 0;
  }
  salts.copy(into, 0, used, used + saltBytes);
  salts.fill(0, used, (used += saltBytes));
}

/**
 * Where the bytes behind a member `…_commitment` of an event are kept; undefined when it has none. An event that
 * commits to what an earlier one committed to says which by a member `…_seq`.
 */
export function blobKeyOf(event: AuditEvent, member: string): BlobKey | undefined {
  const ref = event[member];
  if (typeof ref !== "string") return undefined;
  const earlier = event[member.replace(/_commitment$/, "_seq")];
  return { seq: typeof earlier === "number" ? earlier : event.seq, ref };
}

/** Of all commitments that an event makes. */
export function blobKeysOf(event: AuditEvent): BlobKey[] {
  const members = Object.keys(event).filter((member) => member.endsWith("_commitment"));
  return members.flatMap((member) => blobKeyOf(event, member) ?? []);
}

/** The value behind a commitment of an event; undefined when there is none, or its bytes were erased. */
export function committedTo(
  event: AuditEvent | undefined,
  member: string,
  read: (key: BlobKey) => Pick<Blob, "bytes"> | undefined,
): JsonValue | undefined {
  const key = event === undefined ? undefined : blobKeyOf(event, member);
  const blob = key === undefined ? undefined : read(key);
  return blob === undefined ? undefined : (JSON.parse(Buffer.from(blob.bytes).toString("utf8")) as JsonValue);
}

/** Unsalted digest of a value, for comparing results; given to the caller, never logged. */
export function digestOf(value: JsonValue): string {
  return digestOfText(canonicalJson(value));
}

/** @param text the value's RFC 8785 form. */
export function digestOfText(text: string): string {
  return `sha256:${sha256Hex(text)}`;
}
