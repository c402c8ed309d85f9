import type { BlobSurvey, EntryPage, EventRow, LogImage } from "../core/log-image.js";
import { binaryBytes } from "../core/node-crypto.js";
import { leafOfText, nodeTreeHasher } from "../core/tree-hasher.js";
import { EvidenceError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { parseEntry, parseEntryText } from "../model/proof/entry.js";
import { grammarChecker } from "../model/proof/grammar.js";
import { equalBytes, hashBytes } from "../model/proof/hash.js";
import { commitmentsOf, readUsualEntry } from "../model/proof/usual-entry.js";
import { State } from "../model/state.js";
import { type Commitment, Commitments } from "./commitments.js";
import { RunFold } from "./run-fold.js";
import { TreeCheck } from "./tree-check.js";

/**
 * Goes through the rows of a log in order and recomputes all that follows from them: leaf hashes, the tree and
 * the nodes that are kept of it, and the state. Stops at the first row that is wrong: after it, nothing that
 * rests on the order of events can be said.
 */
export class EventCheck {
  readonly #image: LogImage;
  readonly #grammar = grammarChecker();
  readonly #tree: TreeCheck;
  readonly #erased = new Set<string>();
  readonly #commitments = new Commitments();
  /** Numbers of the events that replaced the key. */
  readonly rotations: number[] = [];
  readonly state = new State();
  readonly runs = new RunFold();

  constructor(image: LogImage) {
    this.#image = image;
    this.#tree = new TreeCheck(image);
  }

  get size(): number {
    return this.#tree.size;
  }

  get root(): Uint8Array {
    return this.#tree.root;
  }

  /**
   * Takes row after row.
   *
   * @param each called after each.
   * @throws EvidenceError with the number of the event that is wrong.
   */
  takePage({ first, documents, leaves }: EntryPage, each: () => void): void {
    if (first !== this.size + 1) throw misplaced(this.size + 1, first);
    for (const [at, text] of documents.entries()) {
      this.#takeText(text, leaves.slice(at * hashBytes, (at + 1) * hashBytes));
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
    this.#fold(event);
    this.#tree.append(computed);
    this.#note(event);
  }

  /**
   * What is kept of the tree, against what the rows add up to; and rows that no number reaches.
   * @throws EvidenceError
   */
  end(): void {
    this.#tree.end();
  }

  /** Commitments whose bytes are gone although no event says that they were erased, in log order. */
  lost(blobs: BlobSurvey): Commitment[] {
    const missing = this.#commitments.missing(blobs, (ref) => this.#image.hasBlob(ref));
    return missing.filter(({ ref }) => !this.#erased.has(ref));
  }

  /** Commitments whose bytes were erased, and nevertheless are there. */
  back(): string[] {
    return [...this.#erased].filter((ref) => this.#image.hasBlob(ref));
  }

  #takeText(text: string, leaf: string): void {
    // Where decoding replaced something, the text is not what was hashed: the row's own bytes are looked at.
    if (leafOfText(text) !== leaf || text.includes("\ufffd")) {
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
    this.#fold(event);
    this.#tree.append(binaryBytes(leaf));
    this.#note(event);
  }

  #checked(check: () => AuditEvent): AuditEvent {
    try {
      return check();
    } catch (error) {
      if (error instanceof EvidenceError && error.seq !== undefined) throw error;
      throw faulty("malformed_entry", this.size + 1, messageOf(error), error);
    }
  }

  #fold(event: AuditEvent): void {
    try {
      this.state.fold(event);
      this.runs.fold(event);
    } catch (error) {
      const why = `no state follows from it: ${messageOf(error)}`;
      throw faulty("malformed_entry", this.size + 1, why, error);
    }
  }

  #note(event: AuditEvent): void {
    const type = event.event;
    if (type.startsWith("x_")) return;
    if (type === "key_rotated") this.rotations.push(event.seq);
    if (type === "blob_erased") this.#erased.add(textMember(event, "ref"));
    for (const ref of commitmentsOf(event)) this.#commitments.add(ref, event.seq);
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
