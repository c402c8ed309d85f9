import type { BlobSurvey } from "../core/log-image.js";

const refBytes = 32;
const isDigest = (ref: string): boolean => /^[0-9a-f]{64}$/.test(ref);

/** A commitment, and the first event that made it. */
export interface Commitment {
  readonly ref: string;
  readonly seq: number;
}

/**
 * The commitments of a log in its order, 40 bytes each. Whether their bytes are kept is looked up in one go, once
 * it is known which are.
 */
export class Commitments {
  #refs = Buffer.alloc(1_024 * refBytes);
  #seqs = new Float64Array(1_024);
  #count = 0;
  /** Text in the place of a commitment that is no digest; only members beyond the known ones can hold it. */
  readonly #odd = new Map<string, number>();

  add(ref: string, seq: number): void {
    if (!isDigest(ref)) {
      if (!this.#odd.has(ref)) this.#odd.set(ref, seq);
      return;
    }
    if (this.#count === this.#seqs.length) this.#grow();
    this.#refs.write(ref, this.#count * refBytes, "hex");
    this.#seqs[this.#count++] = seq;
  }

  /** Those whose bytes are not kept, each once, in log order. @param hasOdd whether bytes are kept for such text. */
  missing(blobs: BlobSurvey, hasOdd: (ref: string) => boolean): Commitment[] {
    const missing = new Map<string, number>();
    for (let n = 0; n < this.#count; n++) {
      const at = n * refBytes;
      if (blobs.has(this.#refs, at)) continue;
      const ref = this.#refs.toString("hex", at, at + refBytes);
      if (!missing.has(ref)) missing.set(ref, this.#seqs[n] as number);
    }
    for (const [ref, seq] of this.#odd) if (!hasOdd(ref)) missing.set(ref, seq);
    return [...missing].map(([ref, seq]) => ({ ref, seq })).sort((a, b) => a.seq - b.seq);
  }

  #grow(): void {
    const [refs, seqs] = [this.#refs, this.#seqs];
    this.#refs = Buffer.alloc(refs.length * 2);
    this.#refs.set(refs);
    this.#seqs = new Float64Array(seqs.length * 2);
    this.#seqs.set(seqs);
  }
}
