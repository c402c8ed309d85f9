import { createHash } from "node:crypto";

/** RFC 9162 written down as its definitions read, over lists of leaf hashes: slow, and hard to get wrong. */

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const naiveLeaf = (entry: Uint8Array): Buffer => sha256(Uint8Array.of(0), entry);
export const naiveNode = (left: Uint8Array, right: Uint8Array): Buffer =>
  sha256(Uint8Array.of(1), left, right);

const cache = new Map<readonly Uint8Array[], Map<string, Buffer>>();

/** MTH(D[start:end]) of a list of leaf hashes; remembered per list, since the definitions ask again and again. */
export function naiveRoot(leaves: readonly Uint8Array[], start = 0, end = leaves.length): Buffer {
  const known = cache.get(leaves) ?? new Map<string, Buffer>();
  cache.set(leaves, known);
  const key = `${start},${end}`;
  let root = known.get(key);
  if (root === undefined) {
    const k = split(end - start);
    if (end === start) root = sha256();
    else if (end - start === 1) root = Buffer.from(leaves[start] as Uint8Array);
    else root = naiveNode(naiveRoot(leaves, start, start + k), naiveRoot(leaves, start + k, end));
    known.set(key, root);
  }
  return root;
}

/** PATH(m, D[start:end]), section 2.1.3.1. */
export function naivePath(
  leaves: readonly Uint8Array[],
  m: number,
  start = 0,
  end = leaves.length,
): Buffer[] {
  const n = end - start;
  if (n === 1) return [];
  const k = split(n);
  return m < k
    ? [...naivePath(leaves, m, start, start + k), naiveRoot(leaves, start + k, end)]
    : [...naivePath(leaves, m - k, start + k, end), naiveRoot(leaves, start, start + k)];
}

/** PROOF(m, D_n), section 2.1.4.1. */
export function naiveConsistency(leaves: readonly Uint8Array[], m: number, n = leaves.length): Buffer[] {
  return subproof(leaves, m, 0, n, true);
}

function subproof(
  leaves: readonly Uint8Array[],
  m: number,
  start: number,
  end: number,
  whole: boolean,
): Buffer[] {
  const n = end - start;
  if (m === n) return whole ? [] : [naiveRoot(leaves, start, end)];
  const k = split(n);
  return m <= k
    ? [...subproof(leaves, m, start, start + k, whole), naiveRoot(leaves, start + k, end)]
    : [...subproof(leaves, m - k, start + k, end, false), naiveRoot(leaves, start, start + k)];
}

function split(n: number): number {
  return n < 2 ? 0 : 2 ** Math.floor(Math.log2(n - 1));
}
