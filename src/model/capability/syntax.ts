import { CapabilitySyntaxError } from "../errors.js";

/** Most UTF-16 code units of a capability's text, as given and in canonical form (C4). */
export const CHARACTERS_MAX = 1024;
/** Most segments of a resource; host labels and path segments of a URL count together (C4). */
export const SEGMENTS_MAX = 64;
/** Most `*` and `**` of a capability, the action `*` included (C4). */
export const WILDCARDS_MAX = 16;

export const STAR = 0x2a;
export const SLASH = 0x2f;
export const BACKSLASH = 0x5c;

/** Unit by unit, as `startsWith` is a call and this is asked of every requirement. */
export function startsWithNet(text: string): boolean {
  return text.charCodeAt(0) === 0x6e && text.charCodeAt(1) === 0x65 && text.charCodeAt(2) === 0x74;
}

const VISIBLE = /^[\p{L}\p{N}\p{P}\p{S}]$/u;

/** @throws CapabilitySyntaxError always; `position` is a 0-based UTF-16 index into `input`. */
export function refuse(
  input: string,
  position: number,
  expected: string,
  options: { found?: string; hint?: string } = {},
): never {
  const { found = describe(input, position), hint } = options;
  throw new CapabilitySyntaxError({ input, position, found, expected, ...(hint !== undefined && { hint }) });
}

/**
 * C4: no control characters, no lone surrogates, bounded length. Checked on the text as given, before
 * anything splits, normalises or shows it.
 */
export function assertPlainText(input: string): void {
  if (input.length > CHARACTERS_MAX) {
    refuse(input, CHARACTERS_MAX, `at most ${CHARACTERS_MAX} characters`, { found: `${input.length}` });
  }
  for (let at = 0; at < input.length; at += 1) {
    const unit = input.charCodeAt(at);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) refuse(input, at, "no control characters");
    if (unit >= 0xd800 && unit < 0xe000) {
      const next = input.charCodeAt(at + 1);
      if (unit >= 0xdc00 || !(next >= 0xdc00 && next < 0xe000)) refuse(input, at, "well-formed Unicode");
      at += 1;
    }
  }
}

/** What stands at `position`, safe to show: characters that draw nothing are given by number. */
function describe(input: string, position: number): string {
  const point = input.codePointAt(position);
  if (point === undefined) return "end of text";
  const character = String.fromCodePoint(point);
  return VISIBLE.test(character)
    ? `\`${character}\``
    : `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
}
