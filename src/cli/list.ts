import type { CommandContext } from "./context.js";
import { type Cell, table } from "./table.js";

/** A list: one JSON document a line with `--json`, else a table, else a sentence that there is nothing. */
export function printList<T>(
  context: CommandContext,
  items: readonly T[],
  how: {
    readonly none: string;
    readonly document: (item: T) => unknown;
    readonly headings: readonly string[];
    readonly row: (item: T) => readonly Cell[];
  },
): void {
  const { out, palette } = context;
  if (context.json) for (const item of items) context.document(how.document(item));
  else if (items.length === 0) out.line(how.none);
  else out.lines(table(how.headings, items.map(how.row), palette.dim));
}
