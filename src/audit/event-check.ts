import { blobKeysOf } from "../core/commitment.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import type { EventRow, LogImage } from "../core/log-image.js";
import { EvidenceError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { appendLeaf, type CompactRange, emptyRange, rangeRoot } from "../model/proof/compact-range.js";
import { parseEntry } from "../model/proof/entry.js";
import { grammarChecker } from "../model/proof/grammar.js";
import { equalBytes, hashBytes } from "../model/proof/hash.js";
import { State } from "../model/state.js";
import { KeyCheck } from "./key-check.js";
import type { Problem } from "./problem.js";
import { RunFold } from "./run-fold.js";

const keptLevels = 8;

/**
 * Goes through the rows of a log in order and recomputes all that follows from them: leaf hashes, the tree and
 * the nodes that are kept of it, and the state. Stops at the first row that is wrong: after it, nothing that
 * rests on the order of events can be said.
 */
export class EventCheck {
  readonly #image: LogImage;
  readonly #heads: ReturnType<LogImage["head"]>;
  readonly #keys: KeyCheck;
  #tablesMet = false;
  /** Number of the last event that the tables have heard of; -1 when they do not say. */
  readonly tablesSize: number;
  readonly #grammar = grammarChecker();
  readonly #erased = new Set<string>();
  /** Commitments whose bytes are not in the store, each with the first event that made it. */
  readonly #missing = new Map<string, number>();
  #range: CompactRange = emptyRange();
  #nodes = 0;
  /** Numbers of the events that replaced the key. */
  readonly rotations: number[] = [];
  readonly state = new State();
  readonly runs = new RunFold();

  constructor(image: LogImage) {
    this.#image = image;
    this.#heads = image.head();
    const [head] = this.#heads;
    this.tablesSize = this.#heads.length === 1 && Number.isSafeInteger(head?.size) ? (head?.size ?? -1) : -1;
    this.#keys = new KeyCheck(image);
  }

  get size(): number {
    return this.#range.end;
  }

  get root(): Uint8Array {
    return rangeRoot(nodeTreeHasher, this.#range);
  }

  /** @throws EvidenceError with the number of the event that is wrong. */
  take(row: EventRow): void {
    const seq = this.size + 1;
    const fail = (code: ConstructorParameters<typeof EvidenceError>[0], why: string, cause?: unknown) =>
      new EvidenceError(code, `event ${seq}: ${why}`, { seq, cause });
    if (row.seq !== seq) throw fail("wrong_order", `it is missing: the next row is number ${row.seq}`);
    const { doc, leaf } = row;
    if (doc === undefined) throw fail("malformed_entry", "its row holds no text");
    if (leaf?.length !== hashBytes) throw fail("entry_mismatch", "its row holds no leaf hash");
    const computed = nodeTreeHasher.leaf(doc);
    if (!equalBytes(computed, leaf)) {
      throw fail("entry_mismatch", "its document does not have the hash that was kept when it was logged");
    }
    const event = this.#read(doc, fail);
    if (seq <= this.tablesSize) this.#keys.take(event);
    this.#range = appendLeaf(nodeTreeHasher, this.#range, computed, (level, index, hash) => {
      if (level > 0 && level % keptLevels === 0 && seq <= this.tablesSize)
        this.#checkNode(level, index, hash);
    });
    this.#note(event);
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
    // They follow the log at a distance, never ahead of it; where they stand they were compared with it.
    if (!this.#tablesMet) throw this.#otherHead();
    const nodes = this.#image.nodeCount();
    if (nodes !== this.#nodes)
      throw new EvidenceError("root_mismatch", `the tree keeps ${nodes} nodes, not ${this.#nodes}`);
  }

  /**
   * Whether these are the events that the tables follow from: now they can be compared with `state`.
   * @throws EvidenceError when the tree that is kept with them is not that of the log.
   */
  meetsTables(): boolean {
    if (this.size !== this.tablesSize) return false;
    const [head] = this.#heads;
    if (head === undefined || !equalBytes(head.hashes, Buffer.concat(this.#range.hashes)))
      throw this.#otherHead();
    this.#keys.end();
    this.#tablesMet = true;
    return true;
  }

  /** What is wrong with what events are found by; the first of it. */
  get keyProblems(): readonly Problem[] {
    return this.#keys.problems;
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

  /** Commitments whose bytes are gone although no event says that they were erased, in log order. */
  lost(): { readonly ref: string; readonly seq: number }[] {
    return [...this.#missing].filter(([ref]) => !this.#erased.has(ref)).map(([ref, seq]) => ({ ref, seq }));
  }

  isErased(ref: string): boolean {
    return this.#erased.has(ref);
  }

  #read(
    doc: Uint8Array,
    fail: (code: "malformed_entry", why: string, cause?: unknown) => EvidenceError,
  ): AuditEvent {
    let event: AuditEvent;
    try {
      event = this.#grammar.check(parseEntry(doc));
    } catch (error) {
      if (error instanceof EvidenceError && error.seq !== undefined) throw error;
      throw fail("malformed_entry", messageOf(error), error);
    }
    try {
      this.state.fold(event);
      this.runs.fold(event);
    } catch (error) {
      throw fail("malformed_entry", `no state follows from it: ${messageOf(error)}`, error);
    }
    return event;
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

  #note(event: AuditEvent): void {
    if (event.event.startsWith("x_")) return;
    if (event.event === "key_rotated") this.rotations.push(event.seq);
    if (event.event === "blob_erased") this.#erased.add(textMember(event, "ref"));
    for (const key of blobKeysOf(event)) {
      if (!this.#missing.has(key.ref) && !this.#image.hasBlob(key)) this.#missing.set(key.ref, event.seq);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
