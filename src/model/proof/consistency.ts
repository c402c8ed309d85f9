import { EvidenceError } from "../errors.js";
import { assertHash, equalBytes, isCount, type TreeHasher } from "./hash.js";
import { tooLong, tooShort } from "./inclusion.js";
import { type NodeId, type NodeReader, nodesOf, splitOf, type Subtree, subtreeHash } from "./subtree.js";

/** What a consistency proof claims: the tree of `size1` leaves is what the tree of `size2` began with. */
export interface ConsistencyClaim {
  readonly size1: number;
  readonly root1: Uint8Array;
  readonly size2: number;
  readonly root2: Uint8Array;
  /** RFC 9162, 2.1.4.1; empty when the sizes are equal. */
  readonly proof: readonly Uint8Array[];
}

/** The subtrees whose hashes make up the proof, in order (RFC 9162, 2.1.4.1: SUBPROOF). */
function partsOf(size1: number, size2: number): Subtree[] {
  const parts: Subtree[] = [];
  let [start, end] = [0, size2];
  // Whether [start, size1) is the whole old tree, whose root the verifier has already.
  let known = true;
  while (size1 !== end) {
    const middle = start + splitOf(end - start);
    if (size1 <= middle) {
      parts.push({ start: middle, end });
      end = middle;
    } else {
      parts.push({ start, end: middle });
      start = middle;
      known = false;
    }
  }
  if (!known) parts.push({ start, end });
  return parts.reverse();
}

/**
 * The proof that the tree of `size1` leaves is a prefix of the tree of `size2`.
 * @throws EvidenceError `index_out_of_range` unless 0 < size1 <= size2.
 */
export function proveConsistency(
  hasher: TreeHasher,
  read: NodeReader,
  size1: number,
  size2: number,
): Uint8Array[] {
  assertSizes(size1, size2);
  return partsOf(size1, size2).map((subtree) => subtreeHash(hasher, read, subtree));
}

/** The nodes that `proveConsistency` reads, so that a reader that has to wait can fetch them first. */
export function nodesForConsistency(size1: number, size2: number): NodeId[] {
  assertSizes(size1, size2);
  return partsOf(size1, size2).flatMap(nodesOf);
}

/**
 * Verifies a consistency proof (RFC 9162, 2.1.4.2). An empty tree is refused as the older one: every log begins
 * with it, so such a proof would say nothing while looking like evidence.
 *
 * @throws EvidenceError `index_out_of_range`, `malformed_proof` (a hash that has not 32 bytes),
 *   `proof_too_short`, `proof_too_long`, `root_mismatch`.
 */
export function verifyConsistencyWith(hasher: TreeHasher, claim: ConsistencyClaim): void {
  const { size1, root1, size2, root2, proof } = claim;
  assertSizes(size1, size2);
  const what = `a consistency proof from ${size1} to ${size2}`;
  if (size1 === size2) {
    if (proof.length > 0) throw tooLong(what);
    if (!equalBytes(root1, root2))
      throw new EvidenceError("root_mismatch", `two trees of ${size1} entries have different roots`);
    return;
  }
  // Before anything is hashed: with other lengths the border between two hashes could be moved.
  assertHash(root1, "the older root");
  assertHash(root2, "the newer root");
  for (const part of proof) assertHash(part, "a part of the proof");
  if (proof.length === 0) throw tooShort(what);
  const [first, ...rest] = isPowerOfTwo(size1) ? [root1, ...proof] : proof;
  let node = size1 - 1;
  let last = size2 - 1;
  while (node % 2 === 1) {
    node = (node - 1) / 2;
    last = Math.floor(last / 2);
  }
  let older = first as Uint8Array;
  let newer = older;
  for (const part of rest) {
    if (last === 0) throw tooLong(what);
    if (node % 2 === 1 || node === last) {
      older = hasher.node(part, older);
      newer = hasher.node(part, newer);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newer = hasher.node(newer, part);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw tooShort(what);
  if (!equalBytes(older, root1)) throw mismatch(what, "older", size1);
  if (!equalBytes(newer, root2)) throw mismatch(what, "newer", size2);
}

function mismatch(what: string, which: string, size: number): EvidenceError {
  return new EvidenceError(
    "root_mismatch",
    `${what} does not lead to the ${which} root, that of ${size} entries`,
  );
}

function isPowerOfTwo(size: number): boolean {
  let rest = size;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function assertSizes(size1: number, size2: number): void {
  if (isCount(size1) && isCount(size2) && size1 > 0 && size1 <= size2) return;
  throw new EvidenceError(
    "index_out_of_range",
    `a tree of ${size2} entries has no older tree of ${size1} to be consistent with`,
  );
}
