import type { BlobPage, LogImage } from "../core/log-image.js";
import type { BlobKey } from "../core/store.js";

const refLength = 64;
/** A step ends some thousand events behind what its uses of handles gave, when many run at once. */
const pagesMax = 16;

interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly page: BlobPage;
}

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
  /** The pages that were turned to last, the newest first. */
  readonly #stretches: Stretch[] = [];
  /** Of the newest page, the row that comes next: events that commit follow each other like their blobs. */
  #next = 0;
  /** Those whose bytes are not in the store. */
  readonly #missing = new Map<string, number>();

  constructor(image: LogImage) {
    this.#image = image;
  }

  /** These events come next. */
  turnTo(first: number, last: number): void {
    const page = this.#image.blobsOf(first, last);
    this.#next = 0;
    if (page === undefined) return;
    if (this.#stretches.length === pagesMax) this.#stretches.pop();
    this.#stretches.unshift({ from: first, to: last, page });
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
    const newest = this.#stretches[0];
    if (newest !== undefined && isAt(newest.page, this.#next, key)) {
      this.#next++;
      return true;
    }
    for (const stretch of this.#stretches) {
      if (key.seq < stretch.from || key.seq > stretch.to) continue;
      const at = placeIn(stretch.page, key);
      if (at === undefined) break;
      if (stretch === newest) this.#next = at + 1;
      return true;
    }
    return this.#image.hasBlob(key);
  }
}

function placeIn(page: BlobPage, key: BlobKey): number | undefined {
  const { seqs } = page;
  let [at, end] = [0, seqs.length];
  while (at < end) {
    const middle = (at + end) >>> 1;
    if ((seqs[middle] as number) < key.seq) at = middle + 1;
    else end = middle;
  }
  for (; seqs[at] === key.seq; at++) if (isAt(page, at, key)) return at;
  return undefined;
}

function isAt({ seqs, refs }: BlobPage, at: number, { seq, ref }: BlobKey): boolean {
  return seqs[at] === seq && ref.length === refLength && refs.startsWith(ref, at * refLength);
}
