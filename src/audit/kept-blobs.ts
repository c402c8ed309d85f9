import type { BlobPage, LogImage } from "../core/log-image.js";
import type { BlobKey } from "../core/store.js";

const refLength = 64;

/** A commitment, and the first event that made it. */
export interface Commitment {
  readonly ref: string;
  readonly seq: number;
}

/**
 * Which commitments have bytes that are kept. Blobs are stored in the order of the events that made them, so a page of
 * events is held against a stretch of that table.
 */
export class KeptBlobs {
  readonly #image: LogImage;
  #page: BlobPage | undefined;
  /** Events of the page, and the first row of it that is not before the event in hand. */
  #from = 1;
  #to = 0;
  #at = 0;
  /** Those whose bytes are not in the store. */
  readonly #missing = new Map<string, number>();

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** These events come next. */
  turnTo(first: number, last: number): void {
    this.#page = this.#image.blobsOf(first, last);
    [this.#from, this.#to, this.#at] = [first, last, 0];
  }

  /** An event makes a commitment. */
  take(key: BlobKey, eventSeq: number): void {
    if (!this.#has(key) && !this.#missing.has(key.ref)) this.#missing.set(key.ref, eventSeq);
  }

  /** Commitments whose bytes are not there, in log order. */
  missing(): Commitment[] {
    return [...this.#missing].map(([ref, seq]) => ({ ref, seq }));
  }

  #has(key: BlobKey): boolean {
    const { seq, ref } = key;
    if (this.#page === undefined || seq < this.#from || seq > this.#to || ref.length !== refLength)
      return this.#image.hasBlob(key);
    const { seqs, refs } = this.#page;
    let at = this.#at;
    while (at < seqs.length && (seqs[at] as number) < seq) at++;
    this.#at = at;
    for (; seqs[at] === seq; at++) if (refs.startsWith(ref, at * refLength)) return true;
    // Not there, or with an event that was passed already.
    return this.#image.hasBlob(key);
  }
}
