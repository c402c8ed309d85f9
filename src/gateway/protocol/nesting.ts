import { StringEnds } from "./string-ends.js";

const [QUOTE, OPEN_LIST, OPEN_MAP, CLOSE_LIST, CLOSE_MAP] = [0x22, 0x5b, 0x7b, 0x5d, 0x7d];

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
