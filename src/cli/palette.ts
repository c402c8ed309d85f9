import picocolors from "picocolors";
import type { CliIo, OutputStream } from "./io.js";

export type Paint = (text: string) => string;

/** The colours of one stream; each gives the text back as it is where colour is not wanted. */
export interface Palette {
  readonly good: Paint;
  readonly bad: Paint;
  readonly warn: Paint;
  readonly dim: Paint;
  readonly bold: Paint;
}

/** Colour only where it is seen, and never against NO_COLOR (https://no-color.org). */
export function paletteFor(stream: OutputStream, env: CliIo["env"]): Palette {
  const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  const colors = picocolors.createColors(stream.isTTY === true && !refused);
  return Object.freeze({
    good: colors.green,
    bad: colors.red,
    warn: colors.yellow,
    dim: colors.dim,
    bold: colors.bold,
  });
}

interface Sign {
  readonly symbol: string;
  readonly paint: keyof Palette;
}

const signs: ReadonlyMap<string, Sign> = new Map([
  ["completed", { symbol: "✓", paint: "good" }],
  ["allowed", { symbol: "✓", paint: "good" }],
  ["active", { symbol: "✓", paint: "good" }],
  ["identical", { symbol: "✓", paint: "good" }],
  ["decided", { symbol: "✓", paint: "dim" }],
  ["stopped", { symbol: "■", paint: "warn" }],
  ["unavailable", { symbol: "–", paint: "warn" }],
  ["diverged", { symbol: "✗", paint: "bad" }],
  ["denied", { symbol: "⊘", paint: "warn" }],
  ["failed", { symbol: "✗", paint: "bad" }],
  ["unknown", { symbol: "?", paint: "bad" }],
  ["depends", { symbol: "?", paint: "dim" }],
  ["cancelled", { symbol: "■", paint: "warn" }],
  ["skipped", { symbol: "–", paint: "dim" }],
  ["ended", { symbol: "–", paint: "dim" }],
  ["interrupted", { symbol: "!", paint: "warn" }],
  ["running", { symbol: "…", paint: "dim" }],
  ["pending", { symbol: "…", paint: "dim" }],
]);

/** A status as people read it: a symbol and always the word too, since colour and symbol alone tell too few. */
export function status(word: string, palette: Palette): { readonly text: string; readonly paint: Paint } {
  const { symbol, paint } = signs.get(word) ?? { symbol: "·", paint: "dim" };
  return { text: `${symbol} ${word}`, paint: palette[paint] };
}
