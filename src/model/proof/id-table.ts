const wordsOfId = 4;
const uuidLength = 36;
const slotsMin = 1024;
/** So far from its place no id ends up by chance: whoever chose them so finds the others in a map. */
const probesMax = 64;
const [free, gone] = [-1, -2];

/**
 * A map from ids to whole numbers, none below 0, for as many ids as a long log has. Those that are the prefix and a
 * UUID in lower case are kept as their 128 bits, whole, in a table without pointers: a `Map` of texts takes five times
 * the memory, and garbage collection walks through it again and again. Any other id is in a `Map`.
 */
export class IdTable {
  readonly #prefix: string;
  readonly #others = new Map<string, number>();
  readonly #key = new Uint32Array(wordsOfId);
  #words = new Uint32Array(slotsMin * wordsOfId);
  #values = new Float64Array(slotsMin).fill(free);
  #used = 0;
  #isClosed = false;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get(id: string): number | undefined {
    const slot = this.#read(id) ? this.#find() : -1;
    if (slot < 0) return this.#others.get(id);
    const value = this.#values[slot] as number;
    return value < 0 ? undefined : value;
  }

  set(id: string, value: number): void {
    let slot = -1;
    if (this.#read(id) && !this.#others.has(id)) {
      slot = this.#find();
      if (slot < 0 && !this.#isClosed) slot = this.#add();
    }
    if (slot < 0) this.#others.set(ownCopy(id), value);
    else this.#values[slot] = value;
  }

  delete(id: string): void {
    const slot = this.#read(id) ? this.#find() : -1;
    // Its place stays taken: others may stand behind it.
    if (slot >= 0) this.#values[slot] = gone;
    else this.#others.delete(id);
  }

  /** Reads an id into `#key`; false when it is not of the usual form. */
  #read(id: string): boolean {
    const at = this.#prefix.length;
    if (id.length !== at + uuidLength || !id.startsWith(this.#prefix)) return false;
    const dashes =
      id.charCodeAt(at + 8) === dash &&
      id.charCodeAt(at + 13) === dash &&
      id.charCodeAt(at + 18) === dash &&
      id.charCodeAt(at + 23) === dash;
    if (!dashes) return false;
    const key = this.#key;
    let fault = 0;
    for (let word = 0; word < wordsOfId; word++) {
      const high = hexOf(id, at + (halves[2 * word] as number));
      const low = hexOf(id, at + (halves[2 * word + 1] as number));
      fault |= high | low;
      key[word] = (high << 16) | low;
    }
    return fault >= 0;
  }

  /** Where `#key` is; -1 when it is not in the table. */
  #find(): number {
    const key = this.#key;
    const words = this.#words;
    const values = this.#values;
    const mask = values.length - 1;
    for (let slot = placeOf(key, 0, mask); values[slot] !== free; slot = (slot + 1) & mask) {
      const at = slot * wordsOfId;
      const isSame =
        words[at] === key[0] &&
        words[at + 1] === key[1] &&
        words[at + 2] === key[2] &&
        words[at + 3] === key[3];
      if (isSame) return slot;
    }
    return -1;
  }

  /** Makes a place for `#key`, which is not in the table; -1 when there is none near where it belongs. */
  #add(): number {
    if (this.#used * 2 >= this.#values.length) this.#grow();
    const values = this.#values;
    const mask = values.length - 1;
    let slot = placeOf(this.#key, 0, mask);
    for (let probes = 0; values[slot] !== free; slot = (slot + 1) & mask)
      if (++probes > probesMax) {
        this.#isClosed = true;
        return -1;
      }
    this.#words.set(this.#key, slot * wordsOfId);
    this.#used++;
    return slot;
  }

  #grow(): void {
    const words = this.#words;
    const values = this.#values;
    const mask = values.length * 2 - 1;
    this.#words = new Uint32Array(words.length * 2);
    this.#values = new Float64Array(values.length * 2).fill(free);
    for (let old = 0; old < values.length; old++) {
      if (values[old] === free) continue;
      let slot = placeOf(words, old * wordsOfId, mask);
      while (this.#values[slot] !== free) slot = (slot + 1) & mask;
      this.#values[slot] = values[old] as number;
      for (let word = 0; word < wordsOfId; word++)
        this.#words[slot * wordsOfId + word] = words[old * wordsOfId + word] as number;
    }
  }
}

const dash = 0x2d;
/** Where four digits of a UUID stand together. */
const halves = Uint8Array.of(0, 4, 9, 14, 19, 24, 28, 32);

/** Four digits; negative when they are not lower-case hex. */
function hexOf(text: string, at: number): number {
  return (
    (digitOf(text.charCodeAt(at)) << 12) |
    (digitOf(text.charCodeAt(at + 1)) << 8) |
    (digitOf(text.charCodeAt(at + 2)) << 4) |
    digitOf(text.charCodeAt(at + 3))
  );
}

function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

function placeOf(words: Uint32Array, at: number, mask: number): number {
  let hash = 0;
  for (let word = at; word < at + wordsOfId; word++)
    hash = Math.imul(hash ^ (words[word] as number), 0x9e3779b1) ^ (hash >>> 15);
  return (hash ^ (hash >>> 16)) & mask;
}

/** A part of a longer text keeps all of it in memory: an id would keep the event that it was read from. */
function ownCopy(id: string): string {
  return JSON.parse(JSON.stringify(id)) as string;
}
