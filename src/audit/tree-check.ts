import type { LogImage } from "../core/log-image.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import { appendLeaf, emptyRange, GrowingRange, rangeRoot } from "../model/proof/compact-range.js";
import { equalBytes } from "../model/proof/hash.js";

const keptLevels = 8;

/** Grows the tree of a log leaf by leaf, and compares it with what is kept of it. */
export class TreeCheck {
  readonly #image: LogImage;
  #range = new GrowingRange(nodeTreeHasher, emptyRange());
  #nodes = 0;

  constructor(image: LogImage) {
    this.#image = image;
  }

  get size(): number {
    return this.#range.end;
  }

  get root(): Uint8Array {
    return rangeRoot(nodeTreeHasher, this.#range.range);
  }

  /** @throws EvidenceError when the leaf completes a node, and another one is kept: it is not appended then. */
  append(leaf: Uint8Array): void {
    if ((this.size + 1) % 2 ** keptLevels !== 0) {
      this.#range.append(leaf);
      return;
    }
    const range = appendLeaf(nodeTreeHasher, this.#range.range, leaf, (level, index, hash) => {
      if (level > 0 && level % keptLevels === 0) this.#checkNode(level, index, hash);
    });
    this.#range = new GrowingRange(nodeTreeHasher, range);
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
    const heads = this.#image.head();
    const [head] = heads;
    const hashes = Buffer.concat(this.#range.range.hashes);
    if (heads.length !== 1 || head?.size !== this.size || !equalBytes(head.hashes, hashes)) {
      const said = heads.length === 1 ? `${String(head?.size)} events` : `${heads.length} heads`;
      throw new EvidenceError(
        "root_mismatch",
        `the log has ${this.size} events, but the head of its tree (${said}) is not theirs`,
        { hint: "events were cut off or added without the log's own writer" },
      );
    }
    const nodes = this.#image.nodeCount();
    if (nodes !== this.#nodes)
      throw new EvidenceError("root_mismatch", `the tree keeps ${nodes} nodes, not ${this.#nodes}`);
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
