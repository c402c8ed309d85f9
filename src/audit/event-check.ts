import { blobKeysOf } from "../core/commitment.js";
import type { EntryPage, EventRow, LogImage } from "../core/log-image.js";
import type { BlobKey } from "../core/store.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { parseEntry, parseEntryText } from "../model/proof/entry.js";
import { grammarChecker } from "../model/proof/grammar.js";
import { equalBytes, hashBytes } from "../model/proof/hash.js";
import { readUsualEntry, usualCommitments } from "../model/proof/usual-entry.js";
import { State } from "../model/state.js";
import { type Commitment, KeptBlobs } from "./kept-blobs.js";
import { KeyCheck } from "./key-check.js";
import type { Problem } from "./problem.js";
import { RunFold } from "./run-fold.js";
import type { LogTree } from "./tree-check.js";

/**
 * Goes through the rows of a log in order and recomputes all that follows from them: leaf hashes, the tree and
 * the nodes that are kept of it, and the state. Stops at the first row that is wrong: after it, nothing that
 * rests on the order of events can be said.
 */
export class EventCheck {
  readonly #image: LogImage;
  readonly #tree: LogTree;
  readonly #keys: KeyCheck;
  readonly #blobs: KeptBlobs;
  readonly #grammar = grammarChecker();
  readonly #erased = new Set<string>();
  /** Numbers of the events that replaced the key. */
  readonly rotations: number[] = [];
  readonly state = new State();
  readonly runs = new RunFold();

  constructor(image: LogImage, tree: LogTree) {
    this.#image = image;
    this.#tree = tree;
    this.#keys = new KeyCheck(image);
    this.#blobs = new KeptBlobs(image);
  }

  /** Whether pages have to come with their leaf hashes. */
  get needsLeaves(): boolean {
    return !this.#tree.isAssumed;
  }

  get size(): number {
    return this.#tree.size;
  }

  /**
   * Takes row after row.
   *
   * @param each called after each.
   * @throws EvidenceError with the number of the event that is wrong.
   */
  takePage({ first, documents, leaves }: EntryPage, each: () => void): void {
    if (first !== this.size + 1) throw misplaced(this.size + 1, first);
    this.#blobs.turnTo(first, first + documents.length - 1);
    let at = 0;
    for (const text of documents) {
      this.#takeText(text, leaves === undefined ? "" : leaves.slice(at, at + hashBytes));
      at += hashBytes;
      each();
    }
  }

  /** @throws EvidenceError with the number of the event that is wrong. */
  take({ seq: number, doc, leaf }: EventRow): void {
    const seq = this.size + 1;
    if (number !== seq) throw misplaced(seq, number);
    if (doc === undefined) throw faulty("malformed_entry", seq, "its row holds no text");
    if (leaf?.length !== hashBytes) throw faulty("entry_mismatch", seq, "its row holds no leaf hash");
    const computed = nodeTreeHasher.leaf(doc);
    if (!equalBytes(computed, leaf)) {
      const why = "its document does not have the hash that was kept when it was logged";
      throw faulty("entry_mismatch", seq, why);
    }
    const event = this.#checked(() => this.#grammar.check(parseEntry(doc)));
    this.#follow(event, Buffer.from(computed).toString("latin1"));
    this.#note(event);
  }

  /**
   * Whether these are the events that the tables follow from: now they can be compared with `state`.
   * @throws EvidenceError when the tree that is kept with them is not that of the log.
   */
  meetsTables(): boolean {
    if (!this.#tree.meetsTables()) return false;
    this.#keys.end();
    return true;
  }

  /**
   * What is kept of the tree, against what the rows add up to; and rows that no number reaches.
   * @throws EvidenceError
   */
  end(): void {
    this.#tree.end();
  }

  /** What is wrong with what events are found by; the first of it. */
  get keyProblems(): readonly Problem[] {
    return this.#keys.problems;
  }

  /** Commitments whose bytes are gone although no event says that they were erased, in log order. */
  lost(): Commitment[] {
    return this.#blobs.missing().filter(({ ref }) => !this.#erased.has(ref));
  }

  /** Bytes that were erased, and nevertheless are there. */
  back(): readonly BlobKey[] {
    return this.#erased.size === 0 ? [] : this.#image.blobsLike([...this.#erased]);
  }

  #takeText(text: string, leaf: string): void {
    // Where decoding replaced something, the text is not what was hashed: the row's own bytes are looked at.
    if (!this.#tree.isLeaf(text, leaf) || text.includes("\ufffd")) {
      const [row] = this.#image.events(this.size, 1);
      if (row === undefined) throw new RangeError(`event ${this.size + 1} was read and is not there`);
      this.take(row);
      return;
    }
    const usual = readUsualEntry(text);
    const event = this.#checked(() => {
      if (usual === undefined) return this.#grammar.check(parseEntryText(text));
      this.#grammar.place(usual);
      return usual;
    });
    this.#follow(event, leaf);
    if (usual === undefined) this.#note(event);
    else for (const key of usualCommitments(usual)) this.#blobs.take(key, this.size);
  }

  #checked(check: () => AuditEvent): AuditEvent {
    try {
      return check();
    } catch (error) {
      if (error instanceof EvidenceError && error.seq !== undefined) throw error;
      throw faulty("malformed_entry", this.size + 1, messageOf(error), error);
    }
  }

  /** What follows from an event that may stand here. */
  #follow(event: AuditEvent, leaf: string): void {
    const seq = this.size + 1;
    try {
      this.state.fold(event);
      this.runs.fold(event);
    } catch (error) {
      throw faulty("malformed_entry", seq, `no state follows from it: ${messageOf(error)}`, error);
    }
    if (seq <= this.#tree.tablesSize) this.#keys.take(event);
    this.#tree.append(leaf);
  }

  #note(event: AuditEvent): void {
    if (event.event.startsWith("x_")) return;
    if (event.event === "key_rotated") this.rotations.push(event.seq);
    if (event.event === "blob_erased") this.#erased.add(textMember(event, "ref"));
    for (const key of blobKeysOf(event)) this.#blobs.take(key, event.seq);
  }
}

function misplaced(seq: number, found: number): EvidenceError {
  return faulty("wrong_order", seq, `it is missing: the next row is number ${found}`);
}

function faulty(
  code: ConstructorParameters<typeof EvidenceError>[0],
  seq: number,
  why: string,
  cause?: unknown,
): EvidenceError {
  return new EvidenceError(code, `event ${seq}: ${why}`, { seq, cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
