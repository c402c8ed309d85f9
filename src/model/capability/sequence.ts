import { ANY, GAP, segmentCovers, segmentsOverlap, type Segment } from "./segment.js";

/** A run of segments without `**`, at least `distance` segments after the one before it. */
interface Block {
  readonly distance: number;
  readonly segments: readonly Segment[];
}

/**
 * A pattern over segments, in the form containment is decided on: each run of `*` and `**` that holds a
 * `**` means "at least as many segments as it has `*`", whatever their order.
 */
export interface Sequence {
  /** In order; each such run stands as its `*`s and then one `GAP`. */
  readonly segments: readonly Segment[];
  readonly hasGap: boolean;
  /** What stands before the first gap; all of it when there is none. */
  readonly head: readonly Segment[];
  readonly inner: readonly Block[];
  /** What stands after the last gap; undefined when there is none. */
  readonly tail: Block | undefined;
}

/** @param tokens segments from left to right (host labels: from the right), `GAP` for `**`. */
export function toSequence(tokens: readonly Segment[]): Sequence {
  const segments: Segment[] = [];
  const blocks: { distance: number; segments: Segment[] }[] = [];
  let block: { distance: number; segments: Segment[] } = { distance: 0, segments: [] };
  for (let at = 0; at < tokens.length;) {
    const end = endOfRun(tokens, at);
    const run = tokens.slice(at, end);
    if (run.includes(GAP)) {
      const stars = run.filter((token) => token === ANY);
      segments.push(...stars, GAP);
      blocks.push(block);
      block = { distance: stars.length, segments: [] };
    } else {
      segments.push(...run);
      block.segments.push(...run);
    }
    at = end;
  }
  blocks.push(block);
  for (const each of blocks) {
    Object.freeze(each.segments);
    Object.freeze(each);
  }
  return Object.freeze({
    segments: Object.freeze(segments),
    hasGap: blocks.length > 1,
    head: blocks[0]?.segments ?? [],
    inner: Object.freeze(blocks.slice(1, -1)),
    tail: blocks.length > 1 ? block : undefined,
  });
}

/** Whether it names every sequence. */
export function isEverything(sequence: Sequence): boolean {
  return sequence.segments.length === 1 && sequence.hasGap;
}

/** C8: every sequence that `asked` names is named by `held`. Sound and complete, no budget. */
export function sequenceCovers(held: Sequence, asked: Sequence): boolean {
  if (held.tail === undefined && asked.hasGap) return false;
  return isPlaced(held, asked.segments, segmentCovers);
}

/** Whether some sequence is named by both. Exact. */
export function sequencesOverlap(left: Sequence, right: Sequence): boolean {
  if (!right.hasGap) return isPlaced(left, right.segments, segmentsOverlap);
  if (!left.hasGap) return isPlaced(right, left.segments, segmentsOverlap);
  // Both are open in the middle: either one's gaps can take in all that the other has there.
  const leftHead = left.segments.indexOf(GAP);
  const rightHead = right.segments.indexOf(GAP);
  for (let at = 0; at < leftHead && at < rightHead; at += 1) {
    if (!segmentsOverlap(left.segments[at] ?? GAP, right.segments[at] ?? GAP)) return false;
  }
  const leftTail = left.tail?.segments ?? [];
  const rightTail = right.tail?.segments ?? [];
  for (let back = 1; back <= leftTail.length && back <= rightTail.length; back += 1) {
    const one = leftTail[leftTail.length - back] ?? GAP;
    if (!segmentsOverlap(one, rightTail[rightTail.length - back] ?? GAP)) return false;
  }
  return true;
}

/**
 * Blocks go leftmost, the first and the last one anchored. No block lies across a `GAP` of `asked`,
 * because no segment relates to it: that gap may be of any length. What a gap of `held` skips is counted
 * with every gap of `asked` at its shortest.
 */
function isPlaced(
  held: Sequence,
  asked: readonly Segment[],
  relates: (held: Segment, asked: Segment) => boolean,
): boolean {
  const { head, inner, tail } = held;
  if (!isBlockAt(head, asked, 0, relates)) return false;
  let from = head.length;
  if (tail === undefined) return asked.length === from;
  const end = asked.length - tail.segments.length;
  if (end < from || !isBlockAt(tail.segments, asked, end, relates)) return false;
  for (const { distance, segments } of inner) {
    from = skip(asked, from, distance);
    while (from + segments.length <= end && !isBlockAt(segments, asked, from, relates)) from += 1;
    from += segments.length;
    if (from > end) return false;
  }
  return skip(asked, from, tail.distance) <= end;
}

function isBlockAt(
  block: readonly Segment[],
  asked: readonly Segment[],
  start: number,
  relates: (held: Segment, asked: Segment) => boolean,
): boolean {
  if (start + block.length > asked.length) return false;
  for (let at = 0; at < block.length; at += 1) {
    if (!relates(block[at] ?? GAP, asked[start + at] ?? GAP)) return false;
  }
  return true;
}

/** The index after `count` segments from `from` on, gaps not counted; beyond the end when there are fewer. */
function skip(asked: readonly Segment[], from: number, count: number): number {
  let at = from;
  for (let left = count; left > 0; at += 1) {
    if (at >= asked.length) return asked.length + 1;
    if (asked[at] !== GAP) left -= 1;
  }
  return at;
}

function endOfRun(tokens: readonly Segment[], start: number): number {
  let end = start;
  while (tokens[end] === ANY || tokens[end] === GAP) end += 1;
  return Math.max(end, start + 1);
}
