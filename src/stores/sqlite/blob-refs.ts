const refBytes = 32;
const buckets = 2 ** 16;

/**
 * The references of all blobs, to look up a million of them. Digests spread evenly, so the first two bytes of one
 * lead to the few that begin with them; somebody who makes digests that begin alike makes it slower, and not wrong.
 */
export class BlobRefs {
  readonly #refs: Uint8Array;
  /** Where those begin whose first two bytes are at least the index. */
  readonly #starts = new Uint32Array(buckets + 1);

  /** @param refs 32 bytes each, in order. */
  constructor(refs: Uint8Array) {
    this.#refs = refs;
    const count = refs.length / refBytes;
    for (let ref = 0, bucket = 0; ref <= count; ref++) {
      const first = ref === count ? buckets : bucketOf(refs, ref * refBytes);
      while (bucket <= first) this.#starts[bucket++] = ref;
    }
  }

  /** @param at where in `bytes` the 32 bytes of the reference begin. */
  has(bytes: Uint8Array, at: number): boolean {
    const bucket = bucketOf(bytes, at);
    let low = this.#starts[bucket] as number;
    let high = this.#starts[bucket + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#order(middle * refBytes, bytes, at);
      if (order === 0) return true;
      if (order > 0) high = middle;
      else low = middle + 1;
    }
    return false;
  }

  /** Negative when the reference that begins at `own` comes before that in `bytes`, 0 when they are the same. */
  #order(own: number, bytes: Uint8Array, at: number): number {
    for (let i = 0; i < refBytes; i++) {
      const difference = (this.#refs[own + i] as number) - (bytes[at + i] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

function bucketOf(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) * 256 + (bytes[at + 1] as number);
}
