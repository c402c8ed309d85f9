const [QUOTE, BACKSLASH, OPEN_LIST, OPEN_MAP, CLOSE_LIST, CLOSE_MAP] = [0x22, 0x5c, 0x5b, 0x7b, 0x5d, 0x7d];

/**
 * Whether JSON text nests arrays and objects deeper than `most`. Asked of the bytes, before they are parsed: a
 * message of nothing but brackets takes a parser many times its size in memory, and those who walk what was parsed
 * their stack.
 */
export function isNestedDeeper(text: Uint8Array, most: number): boolean {
  const { length } = text;
  const ends = new StringEnds(text);
  let depth = 0;
  for (let at = 0; at < length; at++) {
    const byte = text[at];
    if (byte === QUOTE) at = ends.after(at + 1);
    else if (byte === OPEN_LIST || byte === OPEN_MAP) {
      if (++depth > most) return true;
    } else if (byte === CLOSE_LIST || byte === CLOSE_MAP) depth--;
  }
  return false;
}

/** So many bytes without an escape are walked through; what comes behind them is searched. */
const walkedMax = 256;

/** Where strings end. Most of a large message is a few long strings, and a search is much faster than a walk. */
class StringEnds {
  readonly #text: Uint8Array;
  // What was found last. It is searched for anew only behind that, so no byte is searched twice.
  #quote = -1;
  #escape = -1;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  /** @returns the place of the quote; the text's length when there is none. */
  after(start: number): number {
    const text = this.#text;
    const { length } = text;
    let at = start;
    for (;;) {
      const until = Math.min(at + walkedMax, length);
      while (at < until && text[at] !== QUOTE && text[at] !== BACKSLASH) at++;
      if (at >= length) return length;
      if (at === until) at = this.#search(at);
      if (at >= length || text[at] === QUOTE) return at;
      at += 2;
    }
  }

  #search(from: number): number {
    if (this.#quote < from) this.#quote = placeOf(this.#text, QUOTE, from);
    if (this.#escape < from) this.#escape = placeOf(this.#text, BACKSLASH, from);
    return Math.min(this.#quote, this.#escape);
  }
}

function placeOf(text: Uint8Array, byte: number, from: number): number {
  const place = text.indexOf(byte, from);
  return place === -1 ? text.length : place;
}
