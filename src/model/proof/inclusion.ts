import { EvidenceError } from "../errors.js";
import { assertHash, equalBytes, isCount, type TreeHasher } from "./hash.js";
import { type NodeId, type NodeReader, nodesOf, splitOf, type Subtree, subtreeHash } from "./subtree.js";

/** What an inclusion proof claims: the leaf at `index` (from 0) of the tree with this size and root is this one. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  /** Sibling hashes from the leaf upwards (RFC 9162, 2.1.3.1). */
  readonly proof: readonly Uint8Array[];
}

/** The subtrees whose hashes make up the proof for a leaf, in order (RFC 9162, 2.1.3.1: PATH). */
function pathOf(index: number, size: number): Subtree[] {
  const path: Subtree[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * The inclusion proof of leaf `index` in the tree of the first `size` leaves.
 * @throws EvidenceError `index_out_of_range`.
 */
export function proveInclusion(
  hasher: TreeHasher,
  read: NodeReader,
  index: number,
  size: number,
): Uint8Array[] {
  assertInTree(index, size);
  return pathOf(index, size).map((subtree) => subtreeHash(hasher, read, subtree));
}

/** The nodes that `proveInclusion` reads, so that a reader that has to wait can fetch them first. */
export function nodesForInclusion(index: number, size: number): NodeId[] {
  assertInTree(index, size);
  return pathOf(index, size).flatMap(nodesOf);
}

/**
 * Verifies an inclusion proof (RFC 9162, 2.1.3.2).
 *
 * @throws EvidenceError `index_out_of_range`, `malformed_proof` (a hash that has not 32 bytes),
 *   `proof_too_short`, `proof_too_long`, `root_mismatch`.
 */
export function verifyInclusionWith(hasher: TreeHasher, claim: InclusionClaim): void {
  const { leafHash, index, size, root, proof } = claim;
  assertInTree(index, size);
  assertHash(leafHash, "the leaf hash");
  assertHash(root, "the root");
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    assertHash(sibling, "a part of the proof");
    if (last === 0) throw tooLong(`an inclusion proof for entry ${index} of ${size}`);
    if (node % 2 === 1 || node === last) {
      hash = hasher.node(sibling, hash);
      // A node without a sibling is carried up unchanged until it is a right child.
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = hasher.node(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw tooShort(`an inclusion proof for entry ${index} of ${size}`);
  if (!equalBytes(hash, root)) {
    throw new EvidenceError(
      "root_mismatch",
      `the proof for entry ${index} does not lead to the root of the tree of ${size}`,
    );
  }
}

export function tooShort(what: string): EvidenceError {
  return new EvidenceError("proof_too_short", `${what} needs more hashes than it has`);
}

export function tooLong(what: string): EvidenceError {
  return new EvidenceError("proof_too_long", `${what} has more hashes than it needs`);
}

function assertInTree(index: number, size: number): void {
  if (isCount(index) && isCount(size) && index < size) return;
  throw new EvidenceError("index_out_of_range", `there is no entry ${index} in a tree of ${size}`);
}
