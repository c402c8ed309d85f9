import type { UrlPath } from "./net-resource.js";
import { starsOf } from "./name-path.js";
import { GAP, toGlob, type Segment } from "./segment.js";
import { toSequence } from "./sequence.js";
import { SEGMENTS_MAX, SLASH, refuse } from "./syntax.js";

/** A path with how many `*` and `**` it has. */
export interface ReadUrlPath {
  readonly path: UrlPath;
  readonly wildcards: number;
}

/** RFC 3986 unreserved: their escapes are decoded (C6). */
const UNRESERVED = /[A-Za-z0-9._~-]/;
/** What stands for itself in a path segment (RFC 3986 pchar), `*` apart. */
const PATH_CHARACTER = /[A-Za-z0-9._~!$&'()+,;=:@-]/;
/** Where the code units that stand for escaped bytes begin; everything else in a segment is ASCII. */
const ESCAPED_BYTES = 0x100;

/**
 * Reads the path of a URL from `start`, which is its first `/`, to the end of `input`.
 *
 * Inside a literal an escaped byte is one unit of its own: `*0` must not match the second half of `%20`.
 *
 * @param segmentsBefore segments of the same resource read already (the host's labels).
 */
export function readUrlPath(input: string, start: number, segmentsBefore: number): ReadUrlPath {
  const tokens: Segment[] = [];
  const kept: string[] = [];
  let wildcards = 0;
  let endsInSlash = false;
  for (let at = start + 1; at <= input.length;) {
    const slash = input.indexOf("/", at);
    const end = slash === -1 ? input.length : slash;
    if (end === at) {
      if (slash !== -1) refuse(input, at, "a segment that is not empty");
      endsInSlash = true;
      kept.push("");
    } else {
      const { segment, text } = readUrlSegment(input, at, end);
      if (segment !== GAP || tokens[tokens.length - 1] !== GAP) {
        if (segmentsBefore + tokens.length === SEGMENTS_MAX) {
          refuse(input, at, `at most ${SEGMENTS_MAX} segments`);
        }
        tokens.push(segment);
        kept.push(text);
        wildcards += starsOf(segment);
      }
    }
    at = end + 1;
  }
  const trailingSlash = endsInSlash ? "yes" : tokens[tokens.length - 1] === GAP ? "either" : "no";
  const text = `/${kept.join("/")}`;
  return { path: Object.freeze({ segments: toSequence(tokens), trailingSlash, text }), wildcards };
}

function readUrlSegment(input: string, start: number, end: number): { segment: Segment; text: string } {
  const raw = input.slice(start, end);
  if (raw === "**") return { segment: GAP, text: raw };
  const chunks: string[] = [];
  let literal = "";
  let text = "";
  for (let at = start; at < end;) {
    const character = String.fromCodePoint(input.codePointAt(at) ?? 0);
    if (character === "*") {
      if (input[at - 1] === "*") refuse(input, at, "`**` to stand alone as a segment");
      chunks.push(literal);
      literal = "";
      text += character;
      at += 1;
    } else if (PATH_CHARACTER.test(character)) {
      literal += character;
      text += character;
      at += 1;
    } else {
      const escaped = character === "%" ? readEscape(input, at) : escape(input, at, character);
      literal += toUnits(escaped);
      text += escaped;
      at += character === "%" ? 3 : character.length;
    }
  }
  // `..;x` is `..` to servers that cut path parameters off before they resolve dots.
  if (/^\.{1,2}(?:;|$)/.test(text)) {
    refuse(input, start, "a segment other than `.` and `..`", { found: `\`${raw}\`` });
  }
  for (const part of text.split("*")) assertUtf8(input, start, part);
  return { segment: chunks.length === 0 ? literal : toGlob([...chunks, literal]), text };
}

/** One percent-escape: an unreserved character itself, everything else in upper case (C6). */
function readEscape(input: string, at: number): string {
  const digits = input.slice(at + 1, at + 3);
  if (!/^[0-9A-Fa-f]{2}$/.test(digits)) refuse(input, at, "`%` and two hexadecimal digits");
  const byte = Number.parseInt(digits, 16);
  const character = String.fromCharCode(byte);
  if (byte < 0x20 || byte === 0x7f || ".%\\".includes(character) || byte === SLASH) {
    refuse(input, at, "no escaped dot, slash, backslash, percent or control character", {
      found: `\`%${digits}\``,
      hint: "servers disagree on when to decode these, so one path could be two",
    });
  }
  return UNRESERVED.test(character) ? character : `%${digits.toUpperCase()}`;
}

/** A character that a URL carries only escaped. Its bytes are those of the text as it stands, not of its NFC. */
function escape(input: string, at: number, character: string): string {
  if (" ?#\\".includes(character)) {
    refuse(input, at, "a character of a URL path", {
      ...(character !== "\\" &&
        character !== " " && { hint: "query and fragment are no part of a capability" }),
    });
  }
  return encodeURIComponent(character);
}

/** Overlong and broken sequences (`%C0%AE`) are dots and slashes to lenient decoders. */
function assertUtf8(input: string, position: number, text: string): void {
  try {
    decodeURIComponent(text);
  } catch {
    refuse(input, position, "escapes that are UTF-8", { found: `\`${text}\`` });
  }
}

function toUnits(escaped: string): string {
  return escaped.replace(/%(..)/g, (_, digits: string) =>
    String.fromCharCode(ESCAPED_BYTES + Number.parseInt(digits, 16)),
  );
}
