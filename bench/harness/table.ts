import type { Comparison, Report } from "./bench.js";
import { median, meets } from "./statistics.js";

/** A report as Markdown: what was measured, what it was held against, what a reader has to know. */
export function asMarkdown({ measurements, comparisons, checked, notes }: Report): string {
  const measured = measurements.map(({ what, unit, values }) => [
    what,
    `${figure(median(values))} ${unit}`,
    `${figure(Math.min(...values))} – ${figure(Math.max(...values))}`,
    String(values.length),
  ]);
  const compared = comparisons.map((comparison) => [
    comparison.what,
    `${figure(comparison.value)} ${comparison.unit ?? "x"}`,
    wanted(comparison),
  ]);
  return [
    table(["what", "median", "lowest – highest", "rounds"], measured),
    ...(compared.length === 0 ? [] : [table(["compared", "is", "target"], compared)]),
    [`${checked.toLocaleString("en")} answers checked.`, ...notes].map((note) => `- ${note}`).join("\n"),
  ].join("\n\n");
}

/** What was to be reached, and whether it was. */
export function wanted(comparison: Comparison): string {
  const { target } = comparison;
  if (target === undefined) return "published";
  return `at ${target.at} ${figure(target.value)}: ${meets(comparison) === true ? "met" : "**missed**"}`;
}

/** Three figures that count, and no exponent. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", {
    minimumFractionDigits: Math.min(digits, 4),
    maximumFractionDigits: Math.min(digits, 4),
  });
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
