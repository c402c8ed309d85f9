import {
  appendLeaf,
  type CompactRange,
  emptyRange,
  GrowingRange,
  type NodeVisitor,
  rangeRoot,
  restoreRange,
} from "../../model/proof/compact-range.js";
import { hashBytes, type TreeHasher } from "../../model/proof/hash.js";
import type { NodeReader } from "../../model/proof/subtree.js";
import { binaryBytes } from "../../core/node-crypto.js";
import { leafOfText } from "../../core/tree-hasher.js";
import type { Connection } from "./database.js";

/** Nodes of every eighth level are kept, as in C2SP tlog-tiles: a 256th of the log, and a proof reads few rows. */
const keptLevels = 8;

type KeptNode = readonly [level: number, index: number, hash: Uint8Array];

function isKept(level: number): boolean {
  return level > 0 && level % keptLevels === 0;
}

/**
 * The Merkle tree over the log (RFC 9162): the leaf hash beside each event, and of the first `tree_head.size` events
 * the compact range and the nodes of every eighth level. What follows them is added up from the leaves.
 */
export class TreeTable {
  readonly #hasher: TreeHasher;
  readonly #head;
  readonly #saveHead;
  readonly #saveNode;
  readonly #node;
  readonly #leaf;
  readonly #leaves;
  readonly #last;
  /** With what this transaction appended. */
  #growing: GrowingRange | undefined;
  #known: CompactRange | undefined;
  /** Nodes to be kept that this process completed, of the leaves that follow the first so many. */
  #fresh: { readonly from: number; readonly nodes: KeptNode[] } | undefined;

  /** @param known what an earlier connection had as `known`. */
  constructor(db: Connection, hasher: TreeHasher, known?: CompactRange) {
    this.#hasher = hasher;
    this.#head = db.prepare("SELECT size, hashes FROM tree_head");
    this.#saveHead = db.prepare("UPDATE tree_head SET size = ?, hashes = ?");
    this.#saveNode = db.prepare("INSERT INTO tree_nodes (level, idx, hash) VALUES (?, ?, ?)");
    this.#node = db.prepare("SELECT hash FROM tree_nodes WHERE level = ? AND idx = ?").pluck();
    this.#leaf = db.prepare("SELECT leaf FROM events WHERE seq = ?").pluck();
    this.#leaves = db.prepare("SELECT leaf FROM events WHERE seq > ? ORDER BY seq").pluck();
    this.#last = db.prepare("SELECT coalesce(max(seq), 0) FROM events").pluck();
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
    // What was appended and not committed completed nodes that are in no log.
    if (this.#growing !== undefined) this.#fresh = undefined;
    this.#growing = undefined;
    this.#known ??= this.head();
  }

  /** The transaction of the last `append` was committed. */
  saved(): void {
    this.#known = this.#growing?.range ?? this.#known;
    this.#growing = undefined;
  }

  /** The leaf hash of event `seq`, which is the next one. */
  append(seq: number, text: string): Uint8Array {
    const leaf = binaryBytes(leafOfText(text));
    if (this.#growing?.end !== seq - 1) this.#growing = this.#grownFrom(seq - 1);
    this.#growing.append(leaf, this.#keep);
    return leaf;
  }

  readonly #keep: NodeVisitor = (level, index, hash) => {
    if (isKept(level)) this.#fresh?.nodes.push([level, index, hash]);
  };

  #grownFrom(size: number): GrowingRange {
    let from = this.#known;
    // Others may have appended since; what a lost process appended may not be there any more.
    if (from?.end !== size) {
      from = this.head();
      this.#fresh = undefined;
    }
    this.#fresh ??= { from: from.end, nodes: [] };
    return new GrowingRange(this.#hasher, from);
  }

  /** The first so many events are what the tables say. */
  storedSize(): number {
    return this.#stored().end;
  }

  /** Brings the stored range and nodes to the end of the log, this transaction's events included. */
  store(): void {
    const { range, nodes } = this.#sinceStored();
    for (const node of nodes) this.#saveNode.run(...node);
    this.#saveHead.run(range.end, Buffer.concat(range.hashes));
    this.#fresh = undefined;
  }

  #sinceStored(): { readonly range: CompactRange; readonly nodes: readonly KeptNode[] } {
    const stored = this.#stored();
    // Most of the time all that follows was appended here, and every node of it is known.
    if (this.#growing !== undefined && this.#fresh?.from === stored.end) {
      return { range: this.#growing.range, nodes: this.#fresh.nodes };
    }
    const nodes: KeptNode[] = [];
    const range = this.#extended(stored, (level, index, hash) => {
      if (isKept(level)) nodes.push([level, index, hash]);
    });
    return { range, nodes };
  }

  /** The compact range of all events. */
  head(): CompactRange {
    return this.#extended(this.#stored());
  }

  root(): { readonly size: number; readonly root: Uint8Array } {
    // What this process committed last, if that is the end: nothing has to be added up for a checkpoint.
    const known = this.#known;
    const range = known !== undefined && known.end === this.#last.get() ? known : this.head();
    return { size: range.end, root: rangeRoot(this.#hasher, range) };
  }

  /** Reads nodes for proofs; those that are not kept are computed from what is below them. */
  readonly read: NodeReader = (level, index) => {
    if (level === 0) return this.#hashOf(this.#leaf.get(index + 1), level, index);
    const kept = level % keptLevels === 0 ? this.#node.get(level, index) : undefined;
    if (kept !== undefined) return this.#hashOf(kept, level, index);
    return this.#hasher.node(this.read(level - 1, index * 2), this.read(level - 1, index * 2 + 1));
  };

  #stored(): CompactRange {
    const row = this.#head.get() as { size: number; hashes: Buffer } | undefined;
    if (row === undefined) return emptyRange();
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < row.hashes.length; at += hashBytes)
      hashes.push(row.hashes.subarray(at, at + hashBytes));
    return restoreRange({ begin: 0, end: row.size, hashes });
  }

  #extended(range: CompactRange, visit?: NodeVisitor): CompactRange {
    for (const leaf of this.#leaves.iterate(range.end) as IterableIterator<Uint8Array>)
      range = appendLeaf(this.#hasher, range, leaf, visit);
    return range;
  }

  #hashOf(hash: unknown, level: number, index: number): Uint8Array {
    if (hash instanceof Uint8Array && hash.length === hashBytes) return hash;
    throw new RangeError(`the log's tree has no node ${index} at level ${level}`);
  }
}
