import { mixed, withKey } from "./hash.js";
import { actionNumber, ANY_ACTION, Route } from "./route.js";
import { CHARACTERS_MAX, SEGMENTS_MAX, SLASH, STAR, startsWithNet, WILDCARDS_MAX } from "./syntax.js";

/**
 * Where the parts of a capability's text are, for the texts that nearly all requests and grants are: visible ASCII
 * without escapes, in canonical form already. Such a text is understood, indexed and compared as it stands, without
 * taking it apart (D1). Indices are UTF-16.
 */
export class PlainText {
  domainEnd = 0;
  actionEnd = 0;
  /** Where the resource begins; in `net`, where the host begins. */
  bodyStart = 0;
  /** Where its first segment with a wildcard begins; one past the end of the text when there is none. */
  literalEnd = 0;
  wildcards = 0;
  readonly route = new Route();
}

const COLON = 0x3a;
const DOT = 0x2e;
const SPACE = 0x20;
const HYPHEN = 0x2d;
/** Characters of a method and of a host name. */
const METHOD_MAX = 32;
const HOST_MAX = 253;

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
 *   that the grammar would not accept and print unchanged. What is returned is written over by the next reading.
 */
export function readPlainText(text: string): PlainText | undefined {
  lastText = read(text) ? text : undefined;
  return lastText === undefined ? undefined : last;
}

/** The route of a plain text: it is nearly always the one that was read last. */
export function plainRoute(text: string): Route {
  if (text !== lastText) readPlainText(text);
  return last.route;
}

const last = new PlainText();
let lastText: string | undefined;

function read(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > CHARACTERS_MAX) return false;
  const { route } = last;
  const { prefixes } = route;
  let unit = text.charCodeAt(0);
  if (!isKind(unit, WORD_FIRST)) return false;
  let number = 0;
  let at = 0;
  do number = mixed(number, unit);
  while (++at < length && isKind((unit = text.charCodeAt(at)), WORD));
  const domainEnd = at++;
  if (unit !== COLON || at >= length) return false;
  prefixes[0] = number;

  unit = text.charCodeAt(at);
  const isAny = unit === STAR;
  if (isAny) {
    route.action = ANY_ACTION;
    if (++at < length) unit = text.charCodeAt(at);
  } else {
    if (!isKind(unit, WORD_FIRST)) return false;
    let action = 0;
    do action = mixed(action, unit);
    while (++at < length && isKind((unit = text.charCodeAt(at)), WORD));
    route.action = actionNumber(action);
  }
  const actionEnd = at++;
  if (unit !== COLON || at >= length) return false;

  const isNet = domainEnd === 3 && startsWithNet(text);
  let bodyStart = at;
  let depth = 0;
  if (isNet) {
    bodyStart = hostStart(text, at);
    const hostEnd = literalHostEnd(text, bodyStart);
    if (hostEnd < 0) return false;
    depth = fileLabels(prefixes);
    number = prefixes[depth] as number;
    at = hostEnd + 1;
  } else if (domainEnd === 2) {
    const isSystem = text.charCodeAt(1) === 0x73;
    if (isSystem && text.charCodeAt(0) === 0x6f) return false;
    if (isSystem && text.charCodeAt(0) === 0x66 && text.charCodeAt(at++) !== SLASH) return false;
  }
  const allowed = isNet ? URL_SEGMENT : SEGMENT;
  // Between host and path stands a key of its own, which counts as no segment.
  let segments = isNet ? depth - 1 : 0;
  let wildcards = isAny ? 1 : 0;
  let literalEnd = length + 1;
  let segmentStart = at;
  let stars = 0;
  let key = 0;
  for (; ; at++) {
    unit = at < length ? text.charCodeAt(at) : SLASH;
    if (isKind(unit, allowed)) {
      key = mixed(key, unit);
    } else if (unit === STAR) {
      stars++;
    } else if (unit !== SLASH) {
      return false;
    } else {
      if (++segments > SEGMENTS_MAX || !isPlainSegment(text, segmentStart, at, stars, isNet)) return false;
      if (stars > 0) {
        wildcards++;
        if (literalEnd > length) literalEnd = segmentStart;
        stars = 0;
      } else if (literalEnd > length) {
        number = withKey(number, key);
        prefixes[++depth] = number;
      }
      key = 0;
      if (at >= length) break;
      segmentStart = at + 1;
    }
  }
  if (wildcards > WILDCARDS_MAX) return false;
  route.depth = depth;
  last.domainEnd = domainEnd;
  last.actionEnd = actionEnd;
  last.bodyStart = bodyStart;
  last.literalEnd = literalEnd;
  last.wildcards = wildcards;
  return true;
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

/** After `METHOD `, when there is one. */
function hostStart(text: string, start: number): number {
  for (let at = start; at - start <= METHOD_MAX; at++) {
    const unit = text.charCodeAt(at);
    if (unit === SPACE && at > start) return at + 1;
    const isLetter = unit >= 0x41 && unit <= 0x5a;
    if (!isLetter && !(unit === HYPHEN && at > start)) return start;
  }
  return start;
}

/** Numbers of the labels of the host that was read last, from the left. */
const labels = new Int32Array(128);
let labelCount = 0;

/**
 * The slash after a host name that is canonical: no address, port, scheme, wildcard, IDNA form or capital, and a last
 * label that no URL parser takes for a number. Less than 0 when it is anything else, or no path follows.
 */
function literalHostEnd(text: string, start: number): number {
  let labelStart = start;
  let key = 0;
  labelCount = 0;
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isKind(unit, HOST)) {
      key = mixed(key, unit);
      continue;
    }
    if (unit !== DOT && unit !== SLASH) return -1;
    const length = at - labelStart;
    if (length === 0 || length > 63 || at - start > HOST_MAX || isInternational(text, labelStart)) return -1;
    labels[labelCount++] = key;
    if (unit === SLASH) return isKind(text.charCodeAt(labelStart), WORD_FIRST) ? at : -1;
    labelStart = at + 1;
    key = 0;
  }
  return -1;
}

function isInternational(text: string, start: number): boolean {
  return text.charCodeAt(start) === 0x78 && text.startsWith("xn--", start);
}

/** Labels are keys from the right, and then comes the one between host and path. @returns how many keys these are. */
function fileLabels(prefixes: Int32Array): number {
  let number = prefixes[0] as number;
  let depth = 0;
  for (let label = labelCount - 1; label >= 0; label--) {
    number = withKey(number, labels[label] as number);
    prefixes[++depth] = number;
  }
  prefixes[++depth] = withKey(number, mixed(0, SLASH));
  return depth;
}
