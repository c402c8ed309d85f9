import { EvidenceError } from "../errors.js";

/** SHA-256 (FIPS 180-4): any bytes to 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Length of every hash in a tree, in bytes. */
export const hashBytes = 32;

/** How a Merkle tree is hashed (RFC 9162, 2.1.1). Every result has 32 bytes. */
export interface TreeHasher {
  /** Root of the tree without leaves. */
  readonly empty: Uint8Array;
  leaf(entry: Uint8Array): Uint8Array;
  node(left: Uint8Array, right: Uint8Array): Uint8Array;
}

/**
 * The hasher of RFC 9162 over a SHA-256: leaf = SHA-256(0x00 ‖ entry), node = SHA-256(0x01 ‖ left ‖ right).
 * The prefixes keep a node from being passed off as a leaf, and so a subtree from posing as one entry.
 */
export function treeHasher(sha256: Sha256): TreeHasher {
  return Object.freeze({
    empty: sha256(new Uint8Array(0)),
    leaf: (entry: Uint8Array) => {
      const input = new Uint8Array(1 + entry.length);
      input.set(entry, 1);
      return sha256(input);
    },
    node: (left: Uint8Array, right: Uint8Array) => {
      const input = new Uint8Array(1 + left.length + right.length);
      input[0] = 1;
      input.set(left, 1);
      input.set(right, 1 + left.length);
      return sha256(input);
    },
  });
}

/** Equality of public bytes: nothing here is secret, so it need not take constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** @throws EvidenceError `malformed_proof` for anything but 32 bytes. */
export function assertHash(hash: Uint8Array, what: string): void {
  // Not `instanceof`: in a browser bytes may come from another frame, with a Uint8Array of its own.
  if (ArrayBuffer.isView(hash) && hash.length === hashBytes) return;
  throw new EvidenceError("malformed_proof", `${what} is not a hash of ${hashBytes} bytes`);
}

/** Whether a number can be a size or an index of a log: whole, not negative, at most 2^53 - 1. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
