/** The description of the log's format names every type of event, and every member of each. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { coreEvents } from "../../src/model/event.js";
import { membersOf } from "../../src/model/proof/event-shape.js";

const text = readFileSync(new URL("../../docs/spec/log-format.md", import.meta.url), "utf8");
const headings = [...text.matchAll(/^\*\*(.+?)\*\*/gms)].map(([heading]) => heading);

describe("docs/spec/log-format.md", () => {
  it.each(coreEvents)("describes %s once, and names all its members", (type) => {
    expect(headings.filter((heading) => heading.includes(`\`${type}\``))).toHaveLength(1);
    const unnamed = membersOf(type).filter((name) => !new RegExp(`\`${name}\\??\``).test(text));
    expect(unnamed).toEqual([]);
  });
});
