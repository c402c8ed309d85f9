const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** So many bytes without an escape are walked through; what comes behind them is searched. */
const walkedMax = 256;

/** Where strings end in JSON text. Most of a large message is a few long strings, and a search is much faster than a walk. */
export class StringEnds {
  readonly #text: Uint8Array;
  // What was found last. It is searched for anew only behind that, so no byte is searched twice.
  #quote = -1;
  #escape = -1;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  /**
   * @param start behind the opening quote.
   * @returns the place of the closing quote; the text's length when there is none.
   */
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
