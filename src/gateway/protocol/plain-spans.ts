import { StringEnds } from "./string-ends.js";

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, OPEN_MAP, CLOSE_LIST, CLOSE_MAP] = [0x5b, 0x7b, 0x5d, 0x7d];

/** A message of more values than this is not looked through: to write it anew is as fast. */
const valuesMax = 256;
const keyBytesMax = 128;
const wordBytesMax = 32;

/** Where a value stands in its text. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** Of an object; undefined for any other value. */
  readonly members: ReadonlyMap<string, Span> | undefined;
}

/**
 * Where the values of JSON text stand, if the text can mean nothing but what `JSON.parse` makes of it, to any reader:
 * no member twice, every number as it is printed, and nothing between tokens, for some readers end a message at more
 * than a line feed. Else undefined, as for text that has many values, or nests deeper than `depthMax`.
 *
 * Of text that is no JSON it says nothing: what it gives counts once `JSON.parse` took the text.
 */
export function plainSpans(text: Buffer, depthMax: number): Span | undefined {
  const reader = new Reader(text, depthMax);
  const span = reader.value();
  return span?.end === text.length ? span : undefined;
}

class Reader {
  readonly #text: Buffer;
  readonly #ends: StringEnds;
  #at = 0;
  #values = 0;
  /** How much deeper it may get. */
  #depth: number;

  constructor(text: Buffer, depthMax: number) {
    this.#text = text;
    this.#depth = depthMax;
    this.#ends = new StringEnds(text);
  }

  value(): Span | undefined {
    if (++this.#values > valuesMax) return undefined;
    const start = this.#at;
    const first = this.#text[start];
    if (first === OPEN_MAP || first === OPEN_LIST) {
      if (--this.#depth < 0) return undefined;
      const span = first === OPEN_MAP ? this.#object() : this.#array();
      this.#depth++;
      return span;
    }
    if (first !== QUOTE) return this.#word();
    this.#at = this.#ends.after(start + 1) + 1;
    return { start, end: this.#at, members: undefined };
  }

  #object(): Span | undefined {
    const start = this.#at++;
    const members = new Map<string, Span>();
    while (this.#text[this.#at] !== CLOSE_MAP) {
      if (members.size > 0 && this.#text[this.#at++] !== COMMA) return undefined;
      const key = this.#key();
      // Readers differ in which of two they take.
      if (key === undefined || members.has(key) || this.#text[this.#at++] !== COLON) return undefined;
      const member = this.value();
      if (member === undefined) return undefined;
      members.set(key, member);
    }
    return { start, end: ++this.#at, members };
  }

  #array(): Span | undefined {
    const start = this.#at++;
    for (let isFirst = true; this.#text[this.#at] !== CLOSE_LIST; isFirst = false) {
      if (!isFirst && this.#text[this.#at++] !== COMMA) return undefined;
      if (this.value() === undefined) return undefined;
    }
    return { start, end: ++this.#at, members: undefined };
  }

  /** Undefined for one with an escape, which could be another spelling of one that was there. */
  #key(): string | undefined {
    const start = this.#at + 1;
    if (this.#text[this.#at] !== QUOTE) return undefined;
    const end = this.#ends.after(start);
    this.#at = end + 1;
    if (end - start > keyBytesMax || this.#text.subarray(start, end).includes(BACKSLASH)) return undefined;
    return this.#text.toString("utf8", start, end);
  }

  /** A number, or a name; undefined when it is printed in another way, or is no word at all. */
  #word(): Span | undefined {
    const start = this.#at;
    while (this.#at - start < wordBytesMax && isOfWord(this.#text[this.#at])) this.#at++;
    const word = this.#text.toString("latin1", start, this.#at);
    const isPlain = word === "true" || word === "false" || word === "null" || word === String(Number(word));
    return isPlain ? { start, end: this.#at, members: undefined } : undefined;
  }
}

/** Anything but what ends a word: no word that is taken has any other byte in it. */
function isOfWord(byte: number | undefined): boolean {
  return byte !== undefined && byte !== COMMA && byte !== CLOSE_MAP && byte !== CLOSE_LIST;
}
