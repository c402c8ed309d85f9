import { alikeCovers, type Capability, covers } from "./capability/index.js";

interface Entry {
  readonly capability: Capability;
}

type Items<T> = (T | T[] | string | undefined)[];

const slotsMin = 16;
/** The key of a free slot. */
const free = 0;
/** As many as a processor waits for at once, and some more. */
const waitingMax = 32;
/** Integers of a slot: its key, `head` and `body` of its only entry's capability, and one that keeps them in one line. */
const stride = 4;

/**
 * Entries by a well mixed number. A key, the entry under it and what its capability says are where the number says, so
 * that whoever asks for all of it waits for memory once and not time after time. What is added waits until there are some
 * of them, or somebody asks, for the same reason.
 */
export class PlaceTable<T extends Entry> {
  #slots: Int32Array = new Int32Array(stride * slotsMin);
  /** By the slot where a search begins, one bit for each eighth of the keys: nearly all that is not there ends here. */
  #marks: Uint8Array = new Uint8Array(slotsMin);
  /** Of each slot an entry and the text of its capability; a list and nothing where there was more than one. */
  #items: Items<T> = emptyItems<T>(slotsMin);
  #taken = 0;
  readonly #waiting: T[] = [];
  /** Beside its list, which every decision would look into otherwise. */
  #waitingCount = 0;
  readonly #waitingNumbers = new Int32Array(waitingMax);
  /** What was read for nothing but having it read, so that no compiler leaves it away. */
  #touched = 0;

  /** A slot for `entry`, `capability` and `list`; less than 0 when there is none. */
  find(wanted: number): number {
    if (this.#waitingCount > 0) this.#file();
    const number = keyOf(wanted);
    const marks = this.#marks;
    const mask = marks.length - 1;
    if ((((marks[number & mask] as number) >>> (number >>> 29)) & 1) === 0) return -1;
    const slots = this.#slots;
    for (let slot = number & mask; ; slot = (slot + 1) & mask) {
      const there = slots[slot * stride];
      if (there === number) return slot;
      if (there === free) return -1;
    }
  }

  /** Whether a slot has more than one entry, or none any more. */
  hasList(slot: number): boolean {
    return this.#items[2 * slot + 1] === undefined;
  }

  /** Whether the capability of the only entry of a slot covers a requirement. */
  covers(slot: number, requirement: Capability): boolean {
    const text = this.#items[2 * slot + 1] as string;
    const slots = this.#slots;
    const at = slot * stride;
    return (
      alikeCovers(text, slots[at + 1] as number, slots[at + 2] as number, requirement) ??
      covers(this.entry(slot).capability, requirement)
    );
  }

  entry(slot: number): T {
    return this.#items[2 * slot] as T;
  }

  list(slot: number): readonly T[] {
    return this.#items[2 * slot] as readonly T[];
  }

  add(number: number, entry: T): void {
    this.#waitingNumbers[this.#waitingCount] = number;
    this.#waiting[this.#waitingCount] = entry;
    if (++this.#waitingCount === waitingMax) this.#file();
  }

  #file(): void {
    const [entries, count] = [this.#waiting, this.#waitingCount];
    // Set first: to put one, its place is looked for.
    this.#waitingCount = 0;
    const mask = this.#marks.length - 1;
    for (let n = 0; n < count; n++) {
      const slot = (this.#waitingNumbers[n] as number) & mask;
      this.#touched ^= (this.#slots[slot * stride] as number) ^ (this.#marks[slot] as number);
    }
    for (let n = 0; n < count; n++) this.#put(this.#waitingNumbers[n] as number, entries[n] as T);
  }

  #put(number: number, entry: T): void {
    const slot = this.find(number);
    if (slot >= 0 && this.hasList(slot)) return void (this.#items[2 * slot] as T[]).push(entry);
    if (slot >= 0) return this.#putList(slot, [this.entry(slot), entry]);
    if (++this.#taken * 4 > this.#marks.length * 3) this.#grow();
    this.#putOnly(this.#claim(keyOf(number)), entry);
  }

  /** Takes entries out of what is found. */
  remove(number: number, isGone: (entry: T) => boolean): void {
    const slot = this.find(number);
    if (slot < 0) return;
    const known = this.hasList(slot) ? this.list(slot) : [this.entry(slot)];
    this.#putList(
      slot,
      known.filter((entry) => !isGone(entry)),
    );
  }

  #putList(slot: number, list: T[]): void {
    const [first] = list;
    if (list.length === 1 && first !== undefined) return this.#putOnly(slot, first);
    this.#items[2 * slot] = list;
    this.#items[2 * slot + 1] = undefined;
  }

  #putOnly(slot: number, entry: T): void {
    const { text, head, body } = entry.capability;
    this.#items[2 * slot] = entry;
    this.#items[2 * slot + 1] = text;
    this.#slots[slot * stride + 1] = head;
    this.#slots[slot * stride + 2] = body;
  }

  /** A free slot for a key that has none. */
  #claim(key: number): number {
    const mask = this.#marks.length - 1;
    let slot = key & mask;
    this.#marks[slot] = (this.#marks[slot] as number) | (1 << (key >>> 29));
    while (this.#slots[slot * stride] !== free) slot = (slot + 1) & mask;
    this.#slots[slot * stride] = key;
    return slot;
  }

  #grow(): void {
    const [slots, items] = [this.#slots, this.#items];
    const count = this.#marks.length;
    this.#slots = new Int32Array(2 * slots.length);
    this.#marks = new Uint8Array(2 * count);
    this.#items = emptyItems<T>(2 * count);
    for (let slot = 0; slot < count; slot++) {
      const key = slots[slot * stride] as number;
      if (key === free) continue;
      const at = this.#claim(key);
      this.#items[2 * at] = items[2 * slot];
      this.#items[2 * at + 1] = items[2 * slot + 1];
      this.#slots[at * stride + 1] = slots[slot * stride + 1] as number;
      this.#slots[at * stride + 2] = slots[slot * stride + 2] as number;
    }
  }
}

/** Two numbers share a key, which is no more than any two may. */
function keyOf(number: number): number {
  return number === free ? 1 : number;
}

function emptyItems<T>(slots: number): Items<T> {
  return new Array<Items<T>[number]>(2 * slots).fill(undefined);
}
