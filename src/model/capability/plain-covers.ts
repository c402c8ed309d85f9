import { actionEndIn, bodyStartIn, type Capability, literalEndIn } from "./capability.js";
import { SLASH, STAR, startsWithNet } from "./syntax.js";

/**
 * C8 on the texts themselves, where that is enough: both are plain, and what is asked for is either without wildcards
 * or the grant is a literal beginning with `**` behind it.
 * @returns undefined where it is not: then the resources have to be compared.
 */
export function plainCovers(held: Capability, asked: Capability): boolean | undefined {
  if (!held.isPlain || !asked.isPlain) return undefined;
  if (held.actionEnd === asked.actionEnd && held.bodyStart === asked.bodyStart) {
    // Nearly always the two agree in all that comes before the first wildcard, action included.
    if (beginsLike(asked.text, held.text, beginningEnd(held)))
      return restCovers(held.text, held.bodyStart, held.literalEnd, asked);
  }
  if (!isSameDomain(held, asked) || !(isAnyAction(held) || isSameAction(held, asked))) return false;
  return isMethodCovered(held, asked) && bodyCovers(held, asked);
}

/**
 * The same for the commonest case, in which both agree in all that comes before the first wildcard, of a grant that is not
 * looked at: its text, `head` and `body` are all there is to know.
 * @returns undefined in any other case: then the capabilities have to be compared.
 */
export function alikeCovers(
  text: string,
  head: number,
  body: number,
  asked: Capability,
): boolean | undefined {
  const start = bodyStartIn(body);
  const literalEnd = literalEndIn(body);
  if (literalEnd === 0 || !asked.isPlain) return undefined;
  if (actionEndIn(head) !== asked.actionEnd || start !== asked.bodyStart) return undefined;
  if (!beginsLike(asked.text, text, Math.max(literalEnd - 1, start))) return undefined;
  return restCovers(text, start, literalEnd, asked);
}

/** Whether both name some resource, where `asked` is one resource; not for `net`, whose parts overlap one by one. */
export function plainOverlaps(pattern: Capability, asked: Capability): boolean | undefined {
  if (!pattern.isPlain || !asked.isPlain || hasWildcard(asked) || isNet(asked)) return undefined;
  if (!isSameDomain(pattern, asked)) return false;
  if (!isAnyAction(pattern) && !isAnyAction(asked) && !isSameAction(pattern, asked)) return false;
  return bodyCovers(pattern, asked);
}

/**
 * The same for an `except` entry of `net` that has a plain text (`NetResource.plain`), which has any scheme and any port,
 * and any method when it names none.
 */
export function exceptionOverlaps(pattern: Capability, asked: Capability): boolean | undefined {
  if (pattern.isPlain || !asked.isPlain || !isNet(asked) || hasWildcard(asked)) return undefined;
  const { resource } = pattern;
  if (resource?.kind !== "net" || resource.plain === undefined) return undefined;
  const { plain } = resource;
  if (!isAnyAction(plain) && !isAnyAction(asked) && !isSameAction(plain, asked)) return false;
  const anyMethod = plain.bodyStart === plain.actionEnd + 1;
  if (!anyMethod && !isMethodCovered(plain, asked) && !isMethodCovered(asked, plain)) return false;
  return bodyCovers(plain, asked);
}

export function isSameDomain(one: Capability, other: Capability): boolean {
  const end = one.domainEnd;
  return end === other.domainEnd && isSameText(one.text, 0, end, other.text, 0);
}

export function isAnyAction({ text, domainEnd }: Capability): boolean {
  return text.charCodeAt(domainEnd + 1) === STAR;
}

export function isSameAction(one: Capability, other: Capability): boolean {
  const end = one.actionEnd;
  return end === other.actionEnd && isSameText(one.text, one.domainEnd, end, other.text, one.domainEnd);
}

function isNet({ text, domainEnd }: Capability): boolean {
  return domainEnd === 3 && startsWithNet(text);
}

/** In its resource; the action is another matter. */
function hasWildcard({ text, literalEnd }: Capability): boolean {
  return literalEnd <= text.length;
}

/** Between action and body stands a method or nothing; none in a grant means GET and HEAD (C6). */
function isMethodCovered(held: Capability, asked: Capability): boolean {
  const start = held.actionEnd + 1;
  const askedStart = asked.actionEnd + 1;
  const length = held.bodyStart - start;
  if (length === asked.bodyStart - askedStart) {
    return length === 0 || isSameText(held.text, start, held.bodyStart, asked.text, askedStart);
  }
  if (length > 0) return false;
  return asked.text.startsWith("GET ", askedStart) || asked.text.startsWith("HEAD ", askedStart);
}

/** Where what comes before the first segment with a wildcard ends, without the slash in front of that. */
function beginningEnd({ bodyStart, literalEnd }: Capability): number {
  return Math.max(literalEnd - 1, bodyStart);
}

function bodyCovers(held: Capability, asked: Capability): boolean | undefined {
  const { text, bodyStart, literalEnd } = held;
  const end = beginningEnd(held);
  return (
    isSameText(text, bodyStart, end, asked.text, asked.bodyStart) &&
    restCovers(text, bodyStart, literalEnd, asked)
  );
}

/** What is left to compare of a grant's text where both begin alike. */
function restCovers(
  text: string,
  bodyStart: number,
  literalEnd: number,
  asked: Capability,
): boolean | undefined {
  const at = literalEnd + asked.bodyStart - bodyStart;
  if (literalEnd > bodyStart && at <= asked.text.length && asked.text.charCodeAt(at - 1) !== SLASH)
    return false;
  const isExact = literalEnd > text.length;
  if (isExact) return at > asked.text.length;
  // A folder and all in it.
  if (literalEnd + 2 === text.length && isGap(text, literalEnd)) return true;
  return hasWildcard(asked) ? undefined : namesRest(text, literalEnd, asked.text, at);
}

/** Whether a text begins with `other[0, end)`: the engine compares long texts faster than one can unit by unit. */
function beginsLike(text: string, other: string, end: number): boolean {
  return text.indexOf(other.slice(0, end)) === 0;
}

/** Compares `one[start, end)` with as much of `other` from `at` on. */
export function isSameText(one: string, start: number, end: number, other: string, at: number): boolean {
  const shift = at - start;
  if (end + shift > other.length) return false;
  for (let index = start; index < end; index++) {
    if (one.charCodeAt(index) !== other.charCodeAt(index + shift)) return false;
  }
  return true;
}

/**
 * C8 for the rest of two plain texts from a segment on, when `asked` holds no wildcard: whether the segments of
 * `held` from `from` on name those of `asked` from `at` on. An index one past the end of its text means that no
 * segment is left. Segments go leftmost after each `**`, and only the last `**` needs to be taken back, because what
 * stands before it stays placed wherever the rest goes; so at most |segments| times |text|.
 */
export function namesRest(held: string, from: number, asked: string, at: number): boolean {
  let pattern = from;
  let text = at;
  let gapPattern = -1;
  let gapText = -1;
  for (;;) {
    if (pattern > held.length) {
      if (text > asked.length) return true;
    } else if (isGap(held, pattern)) {
      gapPattern = pattern + 3;
      if (gapPattern > held.length) return true;
      gapText = text;
      pattern = gapPattern;
      continue;
    } else if (text > asked.length) {
      return false;
    } else {
      const end = endOfNamed(held, pattern, asked, text);
      if (end >= 0) {
        pattern = segmentEnd(held, pattern) + 1;
        text = end + 1;
        continue;
      }
    }
    if (gapPattern < 0 || gapText > asked.length) return false;
    gapText = segmentEnd(asked, gapText) + 1;
    pattern = gapPattern;
    text = gapText;
  }
}

function isGap(text: string, at: number): boolean {
  return text.charCodeAt(at) === STAR && at + 1 < text.length && text.charCodeAt(at + 1) === STAR;
}

function segmentEnd(text: string, start: number): number {
  const slash = text.indexOf("/", start);
  return slash < 0 ? text.length : slash;
}

/**
 * Where the segment of `asked` ends that the one of `held` names; less than 0 when it does not name it. A segment of
 * `held` has one star at most (`readPlainText`); segments of `asked` are never empty.
 */
function endOfNamed(held: string, start: number, asked: string, askedStart: number): number {
  let at = start;
  let askedAt = askedStart;
  for (; at < held.length; at++, askedAt++) {
    const unit = held.charCodeAt(at);
    if (unit === SLASH) break;
    if (unit === STAR) return endOfStarred(held, at + 1, asked, askedAt);
    if (askedAt >= asked.length || asked.charCodeAt(askedAt) !== unit) return -1;
  }
  return askedAt >= asked.length || asked.charCodeAt(askedAt) === SLASH ? askedAt : -1;
}

/** The same from a star on, behind which what is left of its segment begins at `start`. */
function endOfStarred(held: string, start: number, asked: string, askedStart: number): number {
  const end = segmentEnd(held, start);
  const askedEnd = segmentEnd(asked, askedStart);
  const tailStart = askedEnd - (end - start);
  return tailStart >= askedStart && isSameText(held, start, end, asked, tailStart) ? askedEnd : -1;
}
