import { createHash } from "node:crypto";
import type { BlobKey } from "../core/store.js";
import { digestOf } from "../core/commitment.js";
import { canonicalJson } from "../model/canonical.js";
import type { JsonValue } from "../model/json.js";
import { frozenJson } from "../model/copy-json.js";
import { nestsWithin } from "../model/proof/entry.js";

/** Salt and bytes behind a commitment; undefined when they were erased. */
export type BlobReader = (
  key: BlobKey,
) => { readonly salt: Uint8Array; readonly bytes: Uint8Array } | undefined;

/** What stands behind a commitment of the log (SEMANTICS R3). */
export type Recorded =
  | { readonly state: "present"; readonly value: JsonValue; readonly salt: Uint8Array }
  /** Erased, or never recorded: nothing can be said about it (R4). */
  | { readonly state: "unavailable" }
  /** Bytes that are not what was committed to, or are no value that this package would have committed to. */
  | { readonly state: "forged" };

const unavailable: Recorded = Object.freeze({ state: "unavailable" });
const forged: Recorded = Object.freeze({ state: "forged" });

/** Reads the value behind a commitment, and believes it only if it is what was committed to. */
export function readRecorded(key: BlobKey | undefined, read: BlobReader): Recorded {
  const blob = key === undefined ? undefined : read(key);
  if (key === undefined || blob === undefined) return unavailable;
  if (commitment(blob.salt, blob.bytes) !== key.ref) return forged;
  const value = parse(blob.bytes);
  return value === undefined ? forged : { state: "present", value, salt: blob.salt };
}

/** Whether a value made now, in canonical form, is the one that was committed to. */
export function isRecorded(canonical: string, ref: string, { salt }: { readonly salt: Uint8Array }): boolean {
  return commitment(salt, Buffer.from(canonical, "utf8")) === ref;
}

/** A value as a report shows it: whole when it is short, else its size and digest. */
export function shownValue(value: JsonValue): JsonValue {
  const text = canonicalJson(value);
  if (text.length <= 2_000) return value;
  return { shown: text.slice(0, 500), bytes: Buffer.byteLength(text), digest: digestOf(value) };
}

function commitment(salt: Uint8Array, bytes: Uint8Array): string {
  return createHash("sha256").update(salt).update(bytes).digest("hex");
}

function parse(bytes: Uint8Array): JsonValue | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonValue;
    // Deeper than anything that is recorded here: it would exhaust the stack of whoever looks at it.
    return nestsWithin(value, 128) ? frozenJson(value) : undefined;
  } catch {
    // A log of somebody else's making may commit to anything; it is told as what it is, forged.
    return undefined;
  }
}
