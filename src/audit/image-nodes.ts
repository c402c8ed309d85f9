import { nodeTreeHasher } from "../core/tree-hasher.js";
import type { LogImage } from "../core/log-image.js";
import { EvidenceError } from "../model/errors.js";
import { hashBytes } from "../model/proof/hash.js";
import { type NodeReader, type Subtree, subtreeHash } from "../model/proof/subtree.js";

const keptLevels = 8;

/** Reads the nodes of a stored tree; those between the kept levels are computed from at most 128 below them. */
export function imageNodes(image: LogImage): NodeReader {
  const read: NodeReader = (level, index) => {
    if (level === 0) return stored(leafOf(image, index), level, index);
    // Of the last events of a log that is being written, none are kept yet.
    const kept = level % keptLevels === 0 ? image.node(level, index) : undefined;
    if (kept !== undefined) return stored(kept, level, index);
    return nodeTreeHasher.node(read(level - 1, index * 2), read(level - 1, index * 2 + 1));
  };
  return read;
}

/** The root of the first `size` events. */
export function rootAt(read: NodeReader, size: number): Uint8Array {
  if (size === 0) return nodeTreeHasher.empty;
  return subtreeHash(nodeTreeHasher, read, { start: 0, end: size } satisfies Subtree);
}

function leafOf(image: LogImage, index: number): Uint8Array | undefined {
  const [row] = image.events(index, 1);
  return row?.seq === index + 1 ? row.leaf : undefined;
}

function stored(hash: Uint8Array | undefined, level: number, index: number): Uint8Array {
  if (hash?.length === hashBytes) return hash;
  const seq = index * 2 ** level + 1;
  throw new EvidenceError("root_mismatch", `the tree has no hash of what begins with event ${seq}`, {
    seq,
    hint: "`synapse audit verify` says what is wrong with the log",
  });
}
