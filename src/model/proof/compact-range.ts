import { EvidenceError } from "../errors.js";
import { assertHash, isCount, type TreeHasher } from "./hash.js";
import { foldNodes, nodesOf } from "./subtree.js";

/**
 * What has to be remembered of leaves [begin, end) to go on appending: the hashes of the fewest nodes that
 * cover them, left to right; at most 53 for a log from its start. A frozen value: an append that is rolled
 * back leaves the old range as it was.
 */
export interface CompactRange {
  readonly begin: number;
  readonly end: number;
  readonly hashes: readonly Uint8Array[];
}

/** Told of every node that an append or a merge completes, the leaf itself included, lower levels first. */
export type NodeVisitor = (level: number, index: number, hash: Uint8Array) => void;

/** A range without leaves, at position `begin`. */
export function emptyRange(begin = 0): CompactRange {
  return restoreRange({ begin, end: begin, hashes: [] });
}

/**
 * A range that was stored.
 * @throws EvidenceError `malformed_proof` when the hashes cannot be those of such a range.
 */
export function restoreRange({ begin, end, hashes }: CompactRange): CompactRange {
  if (!isCount(begin) || !isCount(end) || begin > end) {
    throw new EvidenceError(
      "malformed_proof",
      "a compact range needs a begin and an end of whole numbers, in order",
    );
  }
  const count = nodesOf({ start: begin, end }).length;
  if (hashes.length !== count) {
    throw new EvidenceError(
      "malformed_proof",
      `a compact range of [${begin}, ${end}) has ${count} hashes, not ${hashes.length}`,
    );
  }
  for (const hash of hashes) assertHash(hash, "a part of a compact range");
  return Object.freeze({ begin, end, hashes: Object.freeze([...hashes]) });
}

/** The range with one more leaf; O(1) hashes on average, O(log n) at most. */
export function appendLeaf(
  hasher: TreeHasher,
  range: CompactRange,
  leafHash: Uint8Array,
  visit?: NodeVisitor,
): CompactRange {
  assertLeaf(range.end, leafHash);
  const hashes = [...range.hashes];
  visit?.(0, range.end, leafHash);
  push(hasher, range.begin, hashes, { level: 0, index: range.end, hash: leafHash }, visit);
  return Object.freeze({ begin: range.begin, end: range.end + 1, hashes: Object.freeze(hashes) });
}

/** A range that leaves are appended to in place, for whoever appends many and never takes one of them back alone. */
export class GrowingRange {
  readonly #hasher: TreeHasher;
  readonly #begin: number;
  readonly #hashes: Uint8Array[];
  #end: number;

  constructor(hasher: TreeHasher, from: CompactRange) {
    this.#hasher = hasher;
    this.#begin = from.begin;
    this.#end = from.end;
    this.#hashes = [...from.hashes];
  }

  get end(): number {
    return this.#end;
  }

  get range(): CompactRange {
    return Object.freeze({ begin: this.#begin, end: this.#end, hashes: Object.freeze([...this.#hashes]) });
  }

  append(leafHash: Uint8Array, visit?: NodeVisitor): void {
    assertLeaf(this.#end, leafHash);
    visit?.(0, this.#end, leafHash);
    push(this.#hasher, this.#begin, this.#hashes, { level: 0, index: this.#end, hash: leafHash }, visit);
    this.#end++;
  }
}

function assertLeaf(end: number, leafHash: Uint8Array): void {
  assertHash(leafHash, "a leaf hash");
  if (!isCount(end + 1)) throw new RangeError("a log has at most 2^53 - 1 entries");
}

/**
 * Two ranges that touch, as one; O(log n) hashes.
 * @throws TypeError when the right one does not begin where the left one ends.
 */
export function mergeRanges(
  hasher: TreeHasher,
  left: CompactRange,
  right: CompactRange,
  visit?: NodeVisitor,
): CompactRange {
  if (left.end !== right.begin)
    throw new TypeError(
      `a range that ends at ${left.end} cannot be merged with one that begins at ${right.begin}`,
    );
  const hashes = [...left.hashes];
  nodesOf({ start: right.begin, end: right.end }).forEach((node, i) => {
    push(hasher, left.begin, hashes, { ...node, hash: right.hashes[i] as Uint8Array }, visit);
  });
  return Object.freeze({ begin: left.begin, end: right.end, hashes: Object.freeze(hashes) });
}

/**
 * The root of the tree of a range that begins at 0 (RFC 9162, MTH).
 * @throws TypeError for a range that begins elsewhere: it is not a tree.
 */
export function rangeRoot(hasher: TreeHasher, range: CompactRange): Uint8Array {
  if (range.begin !== 0) throw new TypeError("only a range from 0 has a root");
  return range.end === 0 ? hasher.empty : foldNodes(hasher, range.hashes);
}

/** The root of a tree from all its leaf hashes. */
export function treeRoot(hasher: TreeHasher, leafHashes: Iterable<Uint8Array>): Uint8Array {
  let range = emptyRange();
  for (const hash of leafHashes) range = appendLeaf(hasher, range, hash);
  return rangeRoot(hasher, range);
}

interface Node {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

/** Puts a node at the right end. While it is a right child whose sibling is in the range, both become their parent. */
function push(
  hasher: TreeHasher,
  begin: number,
  hashes: Uint8Array[],
  node: Node,
  visit: NodeVisitor | undefined,
): void {
  let { level, index, hash } = node;
  let size = 2 ** level;
  while (index % 2 === 1 && (index - 1) * size >= begin) {
    hash = hasher.node(hashes.pop() as Uint8Array, hash);
    index = (index - 1) / 2;
    level++;
    size *= 2;
    visit?.(level, index, hash);
  }
  hashes.push(hash);
}
