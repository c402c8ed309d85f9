/** A segment with `*` in it: `head * middle[0] * … * tail`. Inner chunks are never empty. */
export interface SegmentGlob {
  readonly head: string;
  readonly middle: readonly string[];
  readonly tail: string;
}

/** One segment of a pattern: a literal, already unescaped, or a glob. Segments are never empty. */
export type Segment = string | SegmentGlob;

/** `*` as a whole segment: one segment of at least one character. Compared by identity. */
export const ANY: SegmentGlob = Object.freeze({ head: "", middle: Object.freeze([]), tail: "" });

/** `**`: zero or more segments. No segment covers it or is covered by it; `sequence.ts` gives it meaning. */
export const GAP: SegmentGlob = Object.freeze({ head: "", middle: Object.freeze([]), tail: "" });

/** The literals between the stars, at least two of them, as a segment. */
export function toGlob(chunks: readonly string[]): SegmentGlob {
  const head = chunks[0] ?? "";
  const tail = chunks[chunks.length - 1] ?? "";
  if (chunks.length === 2 && head === "" && tail === "") return ANY;
  return Object.freeze({ head, middle: Object.freeze(chunks.slice(1, -1)), tail });
}

/**
 * C8 for one segment: every text that `asked` names is named by `held`.
 *
 * Each `*` of `asked` counts as a token that no literal contains, not as some unusual character: a
 * character that stands for "anything" could be typed by whoever writes the other pattern.
 */
export function segmentCovers(held: Segment, asked: Segment): boolean {
  if (typeof held === "string") return held === asked;
  if (asked === GAP) return false;
  if (held === ANY) return true;
  return typeof asked === "string" ? globNames(held, asked) : globCovers(held, asked);
}

/**
 * Whether some text is named by both. Exact: two globs share a text as soon as their heads agree and
 * their tails agree, since either one's stars can take in the other's middle.
 */
export function segmentsOverlap(left: Segment, right: Segment): boolean {
  if (typeof left === "string") {
    return typeof right === "string" ? left === right : globNames(right, left);
  }
  if (typeof right === "string") return globNames(left, right);
  return (
    (left.head.startsWith(right.head) || right.head.startsWith(left.head)) &&
    (left.tail.endsWith(right.tail) || right.tail.endsWith(left.tail))
  );
}

function globNames(glob: SegmentGlob, text: string): boolean {
  const { head, middle, tail } = glob;
  const end = text.length - tail.length;
  if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (const chunk of middle) {
    const at = text.indexOf(chunk, from);
    if (at === -1 || at + chunk.length > end) return false;
    from = at + chunk.length;
  }
  return true;
}

/** Chunks of `held` are placed leftmost in the chunks of `asked`, never across one of its stars. */
function globCovers(held: SegmentGlob, asked: SegmentGlob): boolean {
  if (!asked.head.startsWith(held.head) || !asked.tail.endsWith(held.tail)) return false;
  const last = asked.middle.length + 1;
  let room = 0;
  let from = held.head.length;
  for (const chunk of held.middle) {
    for (;;) {
      const text = room === 0 ? asked.head : (asked.middle[room - 1] ?? asked.tail);
      const end = room === last ? text.length - held.tail.length : text.length;
      const at = text.indexOf(chunk, from);
      if (at !== -1 && at + chunk.length <= end) {
        from = at + chunk.length;
        break;
      }
      if (room === last) return false;
      room += 1;
      from = 0;
    }
  }
  return true;
}
