import {
  appendLeaf,
  type CompactRange,
  emptyRange,
  rangeRoot,
  restoreRange,
} from "../../model/proof/compact-range.js";
import { hashBytes, type TreeHasher } from "../../model/proof/hash.js";
import type { NodeReader } from "../../model/proof/subtree.js";
import type { Connection } from "./database.js";

/** Nodes of every eighth level are kept, as in C2SP tlog-tiles: a 256th of the log, and a proof reads few rows. */
const keptLevels = 8;

/**
 * The Merkle tree over the log (RFC 9162), grown in the transaction that appends: what is kept of it is the
 * compact range at the head, the leaf hash beside each event, and the nodes of every eighth level.
 */
export class TreeTable {
  readonly #hasher: TreeHasher;
  readonly #head;
  readonly #saveHead;
  readonly #saveNode;
  readonly #node;
  readonly #leaf;
  #range: CompactRange | undefined;
  #known: CompactRange | undefined;

  /** @param known what an earlier connection had as `known`. */
  constructor(db: Connection, hasher: TreeHasher, known?: CompactRange) {
    this.#hasher = hasher;
    this.#head = db.prepare("SELECT size, hashes FROM tree_head");
    this.#saveHead = db.prepare("UPDATE tree_head SET size = ?, hashes = ?");
    this.#saveNode = db.prepare("INSERT INTO tree_nodes (level, idx, hash) VALUES (?, ?, ?)");
    this.#node = db.prepare("SELECT hash FROM tree_nodes WHERE level = ? AND idx = ?").pluck();
    this.#leaf = db.prepare("SELECT leaf FROM events WHERE seq = ?").pluck();
    this.#known = known;
  }

  /**
   * The head as this process last found it, or knew it to be on the disk: what is there after a failed write must
   * extend it. Undefined before the first transaction.
   */
  get known(): CompactRange | undefined {
    return this.#known;
  }

  /** Forgets what was appended since the last commit; others may have appended meanwhile. */
  reset(): void {
    this.#range = undefined;
    this.#known ??= this.head();
  }

  /** The transaction of the last `save` was committed. */
  saved(): void {
    this.#known = this.#range ?? this.#known;
    this.#range = undefined;
  }

  /** The leaf hash of the next event. Call `save` before the commit. */
  append(text: string): Uint8Array {
    const leaf = this.#hasher.leaf(Buffer.from(text, "utf8"));
    this.#range = appendLeaf(this.#hasher, this.#range ?? this.head(), leaf, (level, index, hash) => {
      if (level > 0 && level % keptLevels === 0) this.#saveNode.run(level, index, hash);
    });
    return leaf;
  }

  save(): void {
    if (this.#range !== undefined) this.#saveHead.run(this.#range.end, Buffer.concat(this.#range.hashes));
  }

  /** The compact range of all committed events. */
  head(): CompactRange {
    const row = this.#head.get() as { size: number; hashes: Buffer } | undefined;
    if (row === undefined) return emptyRange();
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < row.hashes.length; at += hashBytes)
      hashes.push(row.hashes.subarray(at, at + hashBytes));
    return restoreRange({ begin: 0, end: row.size, hashes });
  }

  root(): { readonly size: number; readonly root: Uint8Array } {
    const range = this.head();
    return { size: range.end, root: rangeRoot(this.#hasher, range) };
  }

  /** Reads nodes for proofs; those between the kept levels are computed from at most 128 below them. */
  readonly read: NodeReader = (level, index) => {
    if (level === 0) return this.#stored(this.#leaf.get(index + 1), level, index);
    if (level % keptLevels === 0) return this.#stored(this.#node.get(level, index), level, index);
    return this.#hasher.node(this.read(level - 1, index * 2), this.read(level - 1, index * 2 + 1));
  };

  #stored(hash: unknown, level: number, index: number): Uint8Array {
    if (hash instanceof Uint8Array && hash.length === hashBytes) return hash;
    throw new RangeError(`the log's tree has no node ${index} at level ${level}`);
  }
}
