/**
 * What may not reach a terminal as it is: controls (C0, DEL, C1 with its one-character CSI), line and
 * paragraph separators, marks and overrides of writing direction, invisible characters, tags, lone surrogates.
 * An agent that puts them into a step id or a file name could otherwise move the cursor, rewrite the lines
 * above, set the clipboard, or show a name other than the one that is meant (Trojan Source, CVE-2021-42574).
 */
const unsafe =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const named: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text on one line that shows what is there: `\n`, `\x1b`, `\u{202e}` instead of what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => named[character] ?? escaped(character));
}

/** One JSON document on one line; what a terminal could obey is written as `\uXXXX`, which means the same. */
export function jsonLine(document: unknown): string {
  return JSON.stringify(document).replace(unsafe, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}
