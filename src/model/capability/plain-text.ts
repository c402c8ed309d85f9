import { CHARACTERS_MAX, SEGMENTS_MAX, SLASH, STAR, WILDCARDS_MAX } from "./syntax.js";

/**
 * Where the parts of a capability's text are, for the texts that nearly all requests and grants are: visible ASCII
 * without escapes, in canonical form already. Such a text is understood, indexed and compared as it stands, without
 * taking it apart (D1). Indices are UTF-16.
 */
export interface PlainText {
  readonly domainEnd: number;
  readonly actionEnd: number;
  /** Where the resource begins; in `net`, where the host begins. */
  readonly bodyStart: number;
  /** Where its first segment with a wildcard begins; one past the end of the text when there is none. */
  readonly literalEnd: number;
  readonly wildcards: number;
}

const WORD = 1;
const WORD_FIRST = 2;
const SEGMENT = 4;
const URL_SEGMENT = 8;
const HOST = 16;

/** What each ASCII character may be part of. `*` is looked at by itself. */
const kinds = new Uint8Array(128);
for (let unit = 0x20; unit < 0x7f; unit++) if (unit !== SLASH && unit !== 0x5c) kinds[unit] = SEGMENT;
const mark = (characters: string, kind: number): void => {
  for (const character of characters)
    kinds[character.charCodeAt(0)] = (kinds[character.charCodeAt(0)] ?? 0) | kind;
};
const letters = "abcdefghijklmnopqrstuvwxyz";
const digits = "0123456789";
mark(letters, WORD | WORD_FIRST | URL_SEGMENT | HOST);
mark(digits, WORD | URL_SEGMENT | HOST);
mark("_-", WORD | URL_SEGMENT | HOST);
mark(`${letters.toUpperCase()}.~!$&'()+,;=:@*`, URL_SEGMENT);

const COLON = 0x3a;
const DOT = 0x2e;
const SPACE = 0x20;

/**
 * @returns undefined for every text that needs more than this: to be refused, brought into canonical form, or read
 *   with escapes. Whoever gets undefined asks the whole grammar, so this may give up on anything and accept nothing
 *   that the grammar would not accept and print unchanged.
 */
export function readPlainText(text: string): PlainText | undefined {
  if (text.length > CHARACTERS_MAX) return undefined;
  const domainEnd = wordEnd(text, 0);
  if (domainEnd === 0 || text.charCodeAt(domainEnd) !== COLON) return undefined;
  const actionStart = domainEnd + 1;
  const isAny = text.charCodeAt(actionStart) === STAR;
  const actionEnd = isAny ? actionStart + 1 : wordEnd(text, actionStart);
  if (actionEnd === actionStart || text.charCodeAt(actionEnd) !== COLON) return undefined;
  const start = actionEnd + 1;
  if (start >= text.length) return undefined;

  const isNet = domainEnd === 3 && text.startsWith("net");
  let bodyStart = start;
  let segmentsStart = start;
  let segments = 0;
  let wildcards = isAny ? 1 : 0;
  if (isNet) {
    bodyStart = hostStart(text, start);
    const hostEnd = literalHostEnd(text, bodyStart);
    if (hostEnd < 0) return undefined;
    segments = labelsIn(text, bodyStart, hostEnd);
    segmentsStart = hostEnd + 1;
  } else if (domainEnd === 2 && text.startsWith("fs")) {
    if (text.charCodeAt(start) !== SLASH) return undefined;
    segmentsStart = start + 1;
  } else if (domainEnd === 2 && text.startsWith("os")) {
    return undefined;
  }
  const allowed = isNet ? URL_SEGMENT : SEGMENT;
  let literalEnd = text.length + 1;
  let segmentStart = segmentsStart;
  let stars = 0;
  for (let at = segmentsStart; ; at++) {
    const unit = at < text.length ? text.charCodeAt(at) : SLASH;
    if (unit === SLASH) {
      if (!isPlainSegment(text, segmentStart, at, stars, isNet)) return undefined;
      if (++segments > SEGMENTS_MAX) return undefined;
      if (stars > 0) {
        wildcards++;
        if (literalEnd > text.length) literalEnd = segmentStart;
        // Two gaps in a row are one: its canonical form is another text.
        if (stars === 2 && text.startsWith("**/**", segmentStart) && isEndAt(text, segmentStart + 5))
          return undefined;
      }
      if (at >= text.length) break;
      segmentStart = at + 1;
      stars = 0;
    } else if (unit === STAR) {
      stars++;
    } else if (unit >= 128 || ((kinds[unit] ?? 0) & allowed) === 0) {
      return undefined;
    }
  }
  if (wildcards > WILDCARDS_MAX) return undefined;
  return { domainEnd, actionEnd, bodyStart, literalEnd, wildcards };
}

/** No empty segment, none that is dots, and at most one star, or `**` alone. */
function isPlainSegment(text: string, start: number, end: number, stars: number, isNet: boolean): boolean {
  const length = end - start;
  if (length === 0) return false;
  if (stars > 1 && !(stars === 2 && length === 2)) return false;
  if (text.charCodeAt(start) !== DOT) return true;
  // `..;x` is `..` to some servers, so dots in front are left to the whole grammar there.
  return !isNet && !(length === 1 || (length === 2 && text.charCodeAt(start + 1) === DOT));
}

function isEndAt(text: string, at: number): boolean {
  return at >= text.length || text.charCodeAt(at) === SLASH;
}

function wordEnd(text: string, start: number): number {
  let at = start;
  let wanted = WORD_FIRST;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit >= 128 || ((kinds[unit] ?? 0) & wanted) === 0) break;
    wanted = WORD;
    at++;
  }
  return at;
}

/** After `METHOD `, when there is one. */
function hostStart(text: string, start: number): number {
  let at = start;
  while (at < text.length && at - start < 32) {
    const unit = text.charCodeAt(at);
    const isLetter = unit >= 0x41 && unit <= 0x5a;
    if (!isLetter && !(unit === 0x2d && at > start)) break;
    at++;
  }
  return at > start && text.charCodeAt(at) === SPACE ? at + 1 : start;
}

/**
 * The slash after a host name that is canonical: no address, port, scheme, wildcard, IDNA form or capital, and a last
 * label that no URL parser takes for a number. Less than 0 when it is anything else, or no path follows.
 */
function literalHostEnd(text: string, start: number): number {
  let labelStart = start;
  let at = start;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === DOT || unit === SLASH) {
      const length = at - labelStart;
      if (length === 0 || length > 63 || text.startsWith("xn--", labelStart)) return -1;
      if (unit === SLASH) break;
      labelStart = at + 1;
    } else if (unit >= 128 || ((kinds[unit] ?? 0) & HOST) === 0) {
      return -1;
    }
  }
  const last = text.charCodeAt(labelStart);
  const isName = ((kinds[last] ?? 0) & WORD_FIRST) !== 0;
  return at < text.length && at - start <= 253 && isName ? at : -1;
}

function labelsIn(text: string, start: number, end: number): number {
  let count = 1;
  for (let at = start; at < end; at++) if (text.charCodeAt(at) === DOT) count++;
  return count;
}
