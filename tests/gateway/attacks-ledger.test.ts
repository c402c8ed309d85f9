/** Every case of the catalogue has a test that is named after it, or a written reason why it has none. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { vectors } from "./bench.js";

const withoutTest: Readonly<Record<string, string>> = {
  "mcpatk-67":
    "Passed on by decision: answers come through as they are, and clients check them against the schema that they were shown; a gateway that repaired them would not be transparent.",
  "mcpatk-73":
    "Not applicable yet: approvals cannot be given, and a binding that asks for one denies. Parameters are frozen before the decision, which is about these bytes.",
};

const file = join(vectors, "6-mcp-attacks/attacks.json");

test.skipIf(!existsSync(file))("all cases", () => {
  const { attacks } = JSON.parse(readFileSync(file, "utf8")) as { attacks: { id: string }[] };
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && name !== "attacks-ledger.test.ts")
    .map((name) => readFileSync(join(import.meta.dirname, name), "utf8"))
    .join("\n");
  // In the title of a test, not in a remark.
  const titles = [...sources.matchAll(/["'`]([^"'`\n]*mcpatk-\d\d[^"'`\n]*)/g)]
    .map(([, title]) => title ?? "")
    .join(" ");
  const missing = attacks
    .map(({ id }) => id)
    .filter((id) => !titles.includes(id) && withoutTest[id] === undefined);
  expect(missing).toEqual([]);
  const both = Object.keys(withoutTest).filter((id) => titles.includes(id));
  expect(both, "a case that has a test needs no reason").toEqual([]);
});
