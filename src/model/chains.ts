/** Of a table, in parts of four: it is doubled when more than three are taken. */
const slotsMin = 16;
/** As many as a processor waits for at once, and some more. */
const waitingMax = 32;

/**
 * Positions of a list, found by a number: those added under one key make a chain, the newest first. Keys have to be well
 * mixed (`joined`).
 *
 * Everything is in arrays of integers: a million of them are nothing to the garbage collector, and what is looked up is
 * in one cache line, since a chain of one, as nearly all are, is known for one from its slot. What is added waits until
 * there are some of them, or somebody asks: their places in memory are then waited for together.
 */
export class Chains {
  /** Of each slot a key and a link: 0 for a free slot. */
  #slots: Int32Array = new Int32Array(2 * slotsMin);
  /** By the slot where a search begins, one bit for each eighth of the keys: nearly all that is not there ends here. */
  #marks: Uint8Array = new Uint8Array(slotsMin);
  #taken = 0;
  /** By position the link after it, as far as chains reach. */
  #next: Int32Array = new Int32Array(0);
  /** Of each that waits, its key and its position. */
  readonly #waiting = new Int32Array(2 * waitingMax);
  #waitingCount = 0;
  /** What was read for nothing but having it read, so that no compiler leaves it away. */
  #touched = 0;

  /** The newest of a chain as a link, for `position` and `after`; 0 when there is none. */
  first(key: number): number {
    if (this.#waitingCount > 0) this.#file();
    const marks = this.#marks;
    if ((((marks[key & (marks.length - 1)] as number) >>> (key >>> 29)) & 1) === 0) return 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (key << 1) & mask; ; slot = (slot + 2) & mask) {
      const link = slots[slot + 1] as number;
      if (link === 0 || slots[slot] === key) return link;
    }
  }

  position(link: number): number {
    return (link >> 1) - 1;
  }

  /** 0 at the end. The lowest bit of a link says whether one follows. */
  after(link: number): number {
    return (link & 1) === 0 ? 0 : (this.#next[(link >> 1) - 1] as number);
  }

  add(key: number, position: number): void {
    const at = 2 * this.#waitingCount++;
    this.#waiting[at] = key;
    this.#waiting[at + 1] = position;
    if (this.#waitingCount === waitingMax) this.#file();
  }

  #file(): void {
    const [waiting, slots, count] = [this.#waiting, this.#slots, this.#waitingCount];
    for (let n = 0; n < count; n++) {
      const slot = ((waiting[2 * n] as number) << 1) & (slots.length - 1);
      this.#touched ^= slots[slot] as number;
    }
    this.#waitingCount = 0;
    for (let n = 0; n < count; n++) this.#link(waiting[2 * n] as number, waiting[2 * n + 1] as number);
  }

  #link(key: number, position: number): void {
    const slot = this.#slotOf(key);
    const before = this.#slots[slot + 1] as number;
    this.#mark(key);
    this.#slots[slot] = key;
    this.#slots[slot + 1] = this.#linked(position, before);
    if (before === 0 && ++this.#taken * 8 > this.#slots.length * 3) this.#grow();
  }

  #linked(position: number, after: number): number {
    if (after !== 0) {
      if (position >= this.#next.length) this.#next = resized(this.#next, 2 * position + 16);
      this.#next[position] = after;
    }
    return ((position + 1) << 1) | (after === 0 ? 0 : 1);
  }

  /** Where a key is, or would be. */
  #slotOf(key: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (key << 1) & mask;
    while (slots[slot + 1] !== 0 && slots[slot] !== key) slot = (slot + 2) & mask;
    return slot;
  }

  #mark(key: number): void {
    const at = key & (this.#marks.length - 1);
    this.#marks[at] = (this.#marks[at] as number) | (1 << (key >>> 29));
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    this.#marks = new Uint8Array(old.length);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const slot = this.#slotOf(old[at] as number);
      this.#mark(old[at] as number);
      this.#slots[slot] = old[at] as number;
      this.#slots[slot + 1] = old[at + 1] as number;
    }
  }
}

function resized(array: Int32Array, length: number): Int32Array {
  const next = new Int32Array(length);
  next.set(array);
  return next;
}
