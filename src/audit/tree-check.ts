import type { LogImage, TreeSurvey } from "../core/log-image.js";
import { binaryBytes } from "../core/node-crypto.js";
import { leafOfText, nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import { appendLeaf, emptyRange, GrowingRange, rangeRoot } from "../model/proof/compact-range.js";
import { equalBytes } from "../model/proof/hash.js";

const keptLevels = 8;

/** The tree of a log as it grows event by event. */
export interface LogTree {
  readonly size: number;
  /** Whether roots are known only when all was read: `late` tells them. */
  readonly isAssumed: boolean;
  /** @throws TypeError when it is not known yet. */
  readonly root: Uint8Array;
  /** @param sizes of which the root will be wanted. */
  begin(sizes: readonly number[]): void;
  /** Number of the last event that the tables have heard of; -1 when they do not say. */
  readonly tablesSize: number;
  /** Whether this is the leaf hash of a text, one character a byte; a tree that is assumed asks for none. */
  isLeaf(text: string, leaf: string): boolean;
  /** @throws EvidenceError when the leaf completes a node, and another one is kept: it is not appended then. */
  append(leaf: string): void;
  /**
   * Whether these are the events that the tables follow from.
   * @throws EvidenceError when the tree that is kept with them is not that of the log.
   */
  meetsTables(): boolean;
  /**
   * What is kept of the tree, against what the rows add up to; and rows that no number reaches.
   * @throws EvidenceError
   */
  end(): void;
  /**
   * The roots that were not known before.
   * @throws EvidenceError when the tree is not that of the log after all.
   */
  late(): Promise<TreeSurvey["roots"]>;
}

/**
 * Grows the tree of a log leaf by leaf, and compares it with what the tables keep of it. They follow the log at a
 * distance, and never are ahead of it.
 */
export class TreeCheck implements LogTree {
  readonly #image: LogImage;
  readonly #heads: ReturnType<LogImage["head"]>;
  readonly tablesSize: number;
  readonly isAssumed = false;
  #range = new GrowingRange(nodeTreeHasher, emptyRange());
  #nodes = 0;
  #tablesMet = false;

  constructor(image: LogImage) {
    this.#image = image;
    this.#heads = image.head();
    this.tablesSize = sizeOf(this.#heads);
  }

  get size(): number {
    return this.#range.end;
  }

  get root(): Uint8Array {
    return rangeRoot(nodeTreeHasher, this.#range.range);
  }

  begin(): void {
    // Every root is known on the way.
  }

  isLeaf(text: string, leaf: string): boolean {
    return leafOfText(text) === leaf;
  }

  append(text: string): void {
    const leaf = binaryBytes(text);
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

  meetsTables(): boolean {
    if (this.size !== this.tablesSize) return false;
    const [head] = this.#heads;
    if (head === undefined || !equalBytes(head.hashes, Buffer.concat(this.#range.range.hashes)))
      throw this.#otherHead();
    this.#tablesMet = true;
    return true;
  }

  async late(): Promise<TreeSurvey["roots"]> {
    return [];
  }

  end(): void {
    const beside = this.#image.eventsBeside(this.size);
    if (beside !== 0)
      throw new EvidenceError(
        "wrong_order",
        `the log has ${this.size + beside} rows, but numbers lead to ${this.size} of them`,
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

/**
 * The tree while its leaves are hashed on another thread: it takes for true what the rows keep, and is told in the end
 * whether it is.
 */
export class AssumedTree implements LogTree {
  readonly tablesSize: number;
  readonly isAssumed = true;
  readonly #image: LogImage;
  #survey: Promise<TreeSurvey | undefined> = Promise.resolve(undefined);
  #root: Uint8Array | undefined;
  size = 0;

  constructor(image: LogImage) {
    this.#image = image;
    this.tablesSize = sizeOf(image.head());
  }

  get root(): Uint8Array {
    if (this.#root === undefined) throw new TypeError("the root is not known before `late`");
    return this.#root;
  }

  begin(sizes: readonly number[]): void {
    this.#survey = this.#image.tree(sizes);
    // Nobody waits for it when something else is found first.
    this.#survey.catch(() => undefined);
  }

  isLeaf(): boolean {
    return true;
  }

  append(): void {
    this.size++;
  }

  meetsTables(): boolean {
    return this.size === this.tablesSize;
  }

  end(): void {
    if (this.#image.eventsBeside(this.size) !== 0 || this.size < this.tablesSize) throw notAsAssumed();
  }

  async late(): Promise<TreeSurvey["roots"]> {
    const survey = await this.#survey;
    if (survey?.intact !== true || survey.size !== this.size) throw notAsAssumed();
    this.#root = survey.roots.at(-1)?.[1];
    return survey.roots;
  }
}

function notAsAssumed(): EvidenceError {
  return new EvidenceError("root_mismatch", "the events are not those of the tree that is kept of them");
}

function sizeOf(heads: ReturnType<LogImage["head"]>): number {
  const [head] = heads;
  return heads.length === 1 && Number.isSafeInteger(head?.size) ? (head?.size ?? -1) : -1;
}
