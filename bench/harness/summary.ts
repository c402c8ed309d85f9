import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Comparison } from "./bench.js";
import { meets } from "./statistics.js";
import { figure, table, wanted } from "./table.js";

interface Published {
  readonly machine: { readonly date: string };
  readonly comparisons: readonly Comparison[];
}

/** Everything that was held against something, of all benches that are published in a folder, in one table. */
export function summary(benches: readonly Bench[], folder: string): string {
  const rows: string[][] = [];
  const counts = { met: 0, missed: 0 };
  for (const { name } of benches) {
    const file = join(folder, `${name}.json`);
    if (!existsSync(file)) continue;
    const { machine, comparisons } = JSON.parse(readFileSync(file, "utf8")) as Published;
    for (const comparison of comparisons) {
      const isMet = meets(comparison);
      if (isMet !== undefined) counts[isMet ? "met" : "missed"]++;
      const value = `${figure(comparison.value)} ${comparison.unit ?? "x"}`;
      rows.push([`[${name}](${name}.md)`, comparison.what, value, wanted(comparison), machine.date]);
    }
  }
  return [
    "# Every figure that is held against another",
    `Made of the results beside it. ${counts.met} targets are met, ${counts.missed} are missed; [the profile](profile.md) says why, and what it would take.`,
    table(["bench", "compared", "is", "target", "measured"], rows),
  ].join("\n\n");
}
