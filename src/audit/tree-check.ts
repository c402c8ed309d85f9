import type { LogImage } from "../core/log-image.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import { appendLeaf, emptyRange, GrowingRange, rangeRoot } from "../model/proof/compact-range.js";
import { equalBytes } from "../model/proof/hash.js";

const keptLevels = 8;

/**
 * Grows the tree of a log leaf by leaf, and compares it with what the tables keep of it. They follow the log at a
 * distance, and never are ahead of it.
 */
export class TreeCheck {
  readonly #image: LogImage;
  readonly #heads: ReturnType<LogImage["head"]>;
  /** Number of the last event that the tables have heard of; -1 when they do not say. */
  readonly tablesSize: number;
  #range = new GrowingRange(nodeTreeHasher, emptyRange());
  #nodes = 0;
  #tablesMet = false;

  constructor(image: LogImage) {
    this.#image = image;
    this.#heads = image.head();
    const [head] = this.#heads;
    this.tablesSize = this.#heads.length === 1 && Number.isSafeInteger(head?.size) ? (head?.size ?? -1) : -1;
  }

  get size(): number {
    return this.#range.end;
  }

  get root(): Uint8Array {
    return rangeRoot(nodeTreeHasher, this.#range.range);
  }

  /** @throws EvidenceError when the leaf completes a node, and another one is kept: it is not appended then. */
  append(leaf: Uint8Array): void {
    const seq = this.size + 1;
    if (seq % 2 ** keptLevels !== 0 || seq > this.tablesSize) {
      this.#range.append(leaf);
      return;
    }
    const range = appendLeaf(nodeTreeHasher, this.#range.range, leaf, (level, index, hash) => {
      if (level > 0 && level % keptLevels === 0) this.#checkNode(level, index, hash);
    });
    this.#range = new GrowingRange(nodeTreeHasher, range);
  }

  /**
   * Whether these are the events that the tables follow from.
   * @throws EvidenceError when the tree that is kept with them is not that of the log.
   */
  meetsTables(): boolean {
    if (this.size !== this.tablesSize) return false;
    const [head] = this.#heads;
    if (head === undefined || !equalBytes(head.hashes, Buffer.concat(this.#range.range.hashes)))
      throw this.#otherHead();
    this.#tablesMet = true;
    return true;
  }

  /**
   * What is kept of the tree, against what the rows add up to; and rows that no number reaches.
   * @throws EvidenceError
   */
  end(): void {
    const count = this.#image.eventCount();
    if (count !== this.size)
      throw new EvidenceError(
        "wrong_order",
        `the log has ${count} rows, but numbers lead to ${this.size} of them`,
      );
    if (!this.#tablesMet) throw this.#otherHead();
    const nodes = this.#image.nodeCount();
    if (nodes !== this.#nodes)
      throw new EvidenceError("root_mismatch", `the tree keeps ${nodes} nodes, not ${this.#nodes}`);
  }

  #otherHead(): EvidenceError {
    const [head] = this.#heads;
    const said = this.#heads.length === 1 ? `${String(head?.size)} events` : `${this.#heads.length} heads`;
    return new EvidenceError(
      "root_mismatch",
      `the log has ${this.size} events, but the head of its tree (${said}) is not theirs`,
      { hint: "events were cut off or added without the log's own writer" },
    );
  }

  #checkNode(level: number, index: number, hash: Uint8Array): void {
    this.#nodes++;
    const kept = this.#image.node(level, index);
    if (kept !== undefined && equalBytes(kept, hash)) return;
    const span = 2 ** level;
    throw new EvidenceError(
      "root_mismatch",
      `the tree does not keep the hash of events ${index * span + 1} to ${(index + 1) * span} as they stand now`,
    );
  }
}
