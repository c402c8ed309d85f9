import { GAP, toGlob, type Segment } from "./segment.js";
import { BACKSLASH, SEGMENTS_MAX, SLASH, STAR, refuse } from "./syntax.js";

/** Segments read from a text, with that text in canonical form. */
export interface ReadSegments {
  readonly tokens: readonly Segment[];
  readonly text: string;
  readonly wildcards: number;
}

/** What `\` may stand before. A slash inside one segment exists in names, never in paths (C7). */
export type Escapes = "in paths" | "in names";

/**
 * Reads `segment/segment/…` from `start` to the end of `input` (C1). Refuses empty, `.` and `..`
 * segments, `**` beside other characters, and escapes that are not needed: a text has one spelling.
 */
export function readSegments(input: string, start: number, escapes: Escapes): ReadSegments {
  const tokens: Segment[] = [];
  const kept: string[] = [];
  let wildcards = 0;
  for (let at = start; ; at += 1) {
    const end = endOfSegment(input, at);
    const segment = readSegment(input, at, end, escapes);
    const repeated = segment === GAP && tokens[tokens.length - 1] === GAP;
    if (!repeated) {
      if (tokens.length === SEGMENTS_MAX) refuse(input, at, `at most ${SEGMENTS_MAX} segments`);
      tokens.push(segment);
      kept.push(input.slice(at, end));
      wildcards += starsOf(segment);
    }
    if (end >= input.length) break;
    at = end;
  }
  return { tokens, text: kept.join("/"), wildcards };
}

/** `*` and `**` in a segment. */
export function starsOf(segment: Segment): number {
  if (typeof segment === "string") return 0;
  return segment === GAP ? 1 : segment.middle.length + 1;
}

/** The next unescaped slash, or the end. */
function endOfSegment(input: string, start: number): number {
  let at = start;
  while (at < input.length && input.charCodeAt(at) !== SLASH) {
    at += input.charCodeAt(at) === BACKSLASH ? 2 : 1;
  }
  return Math.min(at, input.length);
}

function readSegment(input: string, start: number, end: number, escapes: Escapes): Segment {
  if (start === end) refuse(input, start, "a segment that is not empty");
  const raw = input.slice(start, end);
  if (raw === "**") return GAP;
  if (raw === "." || raw === "..") {
    refuse(input, start, "a segment other than `.` and `..`", { found: `\`${raw}\`` });
  }
  const chunks: string[] = [];
  let literal = "";
  let kept = start;
  for (let at = start; at < end; at += 1) {
    const unit = input.charCodeAt(at);
    if (unit === STAR) {
      if (at > start && kept === at && literal === "" && chunks.length > 0) refuseGapInside(input, at);
      chunks.push(literal + input.slice(kept, at));
      literal = "";
      kept = at + 1;
    } else if (unit === BACKSLASH) {
      assertEscape(input, at, escapes);
      literal += input.slice(kept, at);
      kept = at + 1;
      at += 1;
    }
  }
  literal += input.slice(kept, end);
  return chunks.length === 0 ? literal : toGlob([...chunks, literal]);
}

function assertEscape(input: string, at: number, escapes: Escapes): void {
  const next = input.charCodeAt(at + 1);
  if (next === STAR || next === BACKSLASH || (next === SLASH && escapes === "in names")) return;
  const expected = escapes === "in names" ? "`\\\\`, `\\*` or `\\/`" : "`\\\\` or `\\*`";
  refuse(input, at + 1, `${expected} after \`\\\``);
}

function refuseGapInside(input: string, at: number): never {
  return refuse(input, at, "`**` to stand alone as a segment", {
    hint: "write `*` for any run of characters within a segment",
  });
}
