import { ended, hashed, mixed } from "./hash.js";
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
  /** As `prefixNumbers` gives them. */
  readonly prefixes: readonly number[];
}

const COLON = 0x3a;
const DOT = 0x2e;

const WORD = 1;
const WORD_FIRST = 2;
const SEGMENT = 4;
const URL_SEGMENT = 8;
const HOST = 16;

/** What each UTF-16 unit may be part of; slashes, stars, backslashes and all beyond ASCII are looked at by themselves. */
const kinds = new Uint8Array(0x10000);
kinds.fill(SEGMENT, 0x20, 0x7f);
mark("abcdefghijklmnopqrstuvwxyz", WORD | WORD_FIRST | URL_SEGMENT | HOST);
mark("0123456789_-", WORD | URL_SEGMENT | HOST);
mark("ABCDEFGHIJKLMNOPQRSTUVWXYZ.~!$&'()+,;=:@", URL_SEGMENT);
for (const character of "/*\\") kinds[character.charCodeAt(0)] = 0;

function mark(characters: string, kind: number): void {
  for (let at = 0; at < characters.length; at++) {
    const unit = characters.charCodeAt(at);
    kinds[unit] = (kinds[unit] ?? 0) | kind;
  }
}

function isKind(unit: number, kind: number): boolean {
  return ((kinds[unit] ?? 0) & kind) !== 0;
}

/**
 * @returns undefined for every text that needs more than this: to be refused, brought into canonical form, or read
 *   with escapes. Whoever gets undefined asks the whole grammar, so this may give up on anything and accept nothing
 *   that the grammar would not accept and print unchanged.
 */
export function readPlainText(text: string): PlainText | undefined {
  // What is asked for is its own ceiling, and a grant is filed right after it was read.
  if (text !== lastText) {
    lastRead = read(text);
    lastText = text;
  }
  return lastRead;
}

let lastText = "";
let lastRead: PlainText | undefined;

function read(text: string): PlainText | undefined {
  if (text.length > CHARACTERS_MAX) return undefined;
  const domainEnd = wordEnd(text, 0);
  if (domainEnd === 0 || text.charCodeAt(domainEnd) !== COLON) return undefined;
  const actionStart = domainEnd + 1;
  const isAny = text.charCodeAt(actionStart) === STAR;
  const actionEnd = isAny ? actionStart + 1 : wordEnd(text, actionStart);
  const start = actionEnd + 1;
  if (actionEnd === actionStart || start >= text.length || text.charCodeAt(actionEnd) !== COLON)
    return undefined;

  const prefixes = [hashed(0, text, 0, domainEnd)];
  const isNet = domainEnd === 3 && text.startsWith("net");
  let bodyStart = start;
  let segmentsStart = start;
  if (isNet) {
    bodyStart = hostStart(text, start);
    const hostEnd = literalHostEnd(text, bodyStart);
    if (hostEnd < 0) return undefined;
    pushLabels(prefixes, text, bodyStart, hostEnd);
    segmentsStart = hostEnd + 1;
  } else if (domainEnd === 2) {
    if (text.startsWith("os")) return undefined;
    if (text.startsWith("fs")) {
      if (text.charCodeAt(start) !== SLASH) return undefined;
      segmentsStart = start + 1;
    }
  }
  const allowed = isNet ? URL_SEGMENT : SEGMENT;
  // Between host and path stands a key of its own, which counts as no segment.
  let segments = isNet ? prefixes.length - 2 : 0;
  let wildcards = isAny ? 1 : 0;
  let literalEnd = text.length + 1;
  let segmentStart = segmentsStart;
  let stars = 0;
  let number = prefixes[prefixes.length - 1] ?? 0;
  for (let at = segmentsStart; ; at++) {
    const unit = at < text.length ? text.charCodeAt(at) : SLASH;
    if (isKind(unit, allowed)) {
      number = mixed(number, unit);
    } else if (unit === STAR) {
      stars++;
    } else if (unit !== SLASH) {
      return undefined;
    } else {
      if (++segments > SEGMENTS_MAX || !isPlainSegment(text, segmentStart, at, stars, isNet))
        return undefined;
      if (stars > 0) {
        wildcards++;
        if (literalEnd > text.length) literalEnd = segmentStart;
        stars = 0;
      } else if (literalEnd > text.length) {
        number = ended(number);
        prefixes.push(number);
      }
      if (at >= text.length) break;
      segmentStart = at + 1;
    }
  }
  if (wildcards > WILDCARDS_MAX) return undefined;
  return { domainEnd, actionEnd, bodyStart, literalEnd, wildcards, prefixes };
}

/** Not empty, no dots, and at most one star or a `**` by itself that no second one follows: two are one. */
function isPlainSegment(text: string, start: number, end: number, stars: number, isNet: boolean): boolean {
  const length = end - start;
  if (length === 0) return false;
  if (stars > 1) {
    if (stars > 2 || length !== 2) return false;
    if (text.startsWith("/**", end) && (end + 3 === text.length || text.charCodeAt(end + 3) === SLASH))
      return false;
  }
  if (text.charCodeAt(start) !== DOT) return true;
  // `..;x` is `..` to some servers, so dots in front are left to the whole grammar there.
  return !isNet && length > 1 && (length > 2 || text.charCodeAt(start + 1) !== DOT);
}

function wordEnd(text: string, start: number): number {
  if (start >= text.length || !isKind(text.charCodeAt(start), WORD_FIRST)) return start;
  let at = start + 1;
  while (at < text.length && isKind(text.charCodeAt(at), WORD)) at++;
  return at;
}

/** After `METHOD `, when there is one. */
function hostStart(text: string, start: number): number {
  const space = text.indexOf(" ", start);
  if (space <= start || space - start > 32) return start;
  for (let at = start; at < space; at++) {
    const unit = text.charCodeAt(at);
    const isLetter = unit >= 0x41 && unit <= 0x5a;
    if (!isLetter && !(unit === 0x2d && at > start)) return start;
  }
  return space + 1;
}

/**
 * The slash after a host name that is canonical: no address, port, scheme, wildcard, IDNA form or capital, and a last
 * label that no URL parser takes for a number. Less than 0 when it is anything else, or no path follows.
 */
function literalHostEnd(text: string, start: number): number {
  let labelStart = start;
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isKind(unit, HOST)) continue;
    if (unit !== DOT && unit !== SLASH) return -1;
    const length = at - labelStart;
    if (length === 0 || length > 63 || text.startsWith("xn--", labelStart)) return -1;
    if (unit === SLASH) return at - start <= 253 && isKind(text.charCodeAt(labelStart), WORD_FIRST) ? at : -1;
    labelStart = at + 1;
  }
  return -1;
}

/** Labels are keys from the right, and then comes the one between host and path. */
function pushLabels(prefixes: number[], text: string, start: number, hostEnd: number): void {
  let number = prefixes[0] ?? 0;
  for (let end = hostEnd; end > start;) {
    let labelStart = end;
    while (labelStart > start && text.charCodeAt(labelStart - 1) !== DOT) labelStart--;
    number = ended(hashed(number, text, labelStart, end));
    prefixes.push(number);
    end = labelStart - 1;
  }
  prefixes.push(ended(mixed(number, SLASH)));
}
