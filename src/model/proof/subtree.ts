import type { TreeHasher } from "./hash.js";

/** A node above 2^level leaves: the hash of leaves [index · 2^level, (index + 1) · 2^level). */
export interface NodeId {
  readonly level: number;
  readonly index: number;
}

/** Leaves [start, end) of a log, as their subtree. */
export interface Subtree {
  readonly start: number;
  readonly end: number;
}

/** Gives the hash of a node whose leaves are all in the log. */
export type NodeReader = (level: number, index: number) => Uint8Array;

/**
 * The fewest nodes that cover leaves [start, end), left to right. Sizes go to 2^53 - 1, so this is arithmetic
 * on numbers: bit operators would cut them to 32 bits.
 */
export function nodesOf({ start, end }: Subtree): NodeId[] {
  const nodes: NodeId[] = [];
  let next = start;
  while (next < end) {
    let level = 0;
    let size = 1;
    while (next % (size * 2) === 0 && next + size * 2 <= end) {
      size *= 2;
      level++;
    }
    nodes.push({ level, index: next / size });
    next += size;
  }
  return nodes;
}

/** The hash of a subtree from the hashes of its nodes, left to right; at least one. */
export function foldNodes(hasher: TreeHasher, hashes: readonly Uint8Array[]): Uint8Array {
  const last = hashes.at(-1);
  if (last === undefined) throw new TypeError("a subtree has at least one node");
  let hash = last;
  for (let i = hashes.length - 2; i >= 0; i--) hash = hasher.node(hashes[i] as Uint8Array, hash);
  return hash;
}

/** The hash of a subtree as RFC 9162 defines MTH: its start is a multiple of the power of two it fits in. */
export function subtreeHash(hasher: TreeHasher, read: NodeReader, subtree: Subtree): Uint8Array {
  return foldNodes(
    hasher,
    nodesOf(subtree).map(({ level, index }) => read(level, index)),
  );
}

/** Where RFC 9162 splits a tree of `size` > 1 leaves: the largest power of two smaller than it. */
export function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}
