import type { Paint } from "./palette.js";
import { printable } from "./printable.js";

/** A cell: text from anywhere, made printable here; colour is put around it after it was measured. */
export type Cell = string | { readonly text: string; readonly paint: Paint };

/** Lines of columns that begin under each other. The last column is as long as it wants to be. */
export function alignedLines(
  rows: readonly (readonly Cell[])[],
  widthsMin: readonly number[] = [],
): string[] {
  const widths: number[] = [...widthsMin];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(shown(cell)));
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const text = shown(cell);
        const padding = index === row.length - 1 ? "" : " ".repeat((widths[index] ?? 0) - widthOf(text));
        return (typeof cell === "string" ? text : cell.paint(text)) + padding;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** A table with a heading. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  heading: Paint,
): string[] {
  return alignedLines([headings.map((text) => ({ text, paint: heading })), ...rows]);
}

/** Columns on a terminal, near enough: marks that combine take none, East Asian and pictures take two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    width +=
      /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}

function shown(cell: Cell): string {
  return printable(typeof cell === "string" ? cell : cell.text);
}
