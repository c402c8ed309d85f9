/** Writes the JSON Schemas that editors use: `npm run schemas`. A test fails when they are out of date. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { policyJsonSchema } from "../src/policy/file-schema.js";
import { workflowJsonSchema } from "../src/workflow/schema.js";

const folder = new URL("../schemas/", import.meta.url);

for (const [name, schema] of [
  ["workflow", workflowJsonSchema()],
  ["policy", policyJsonSchema()],
] as const) {
  const file = new URL(`${name}.schema.json`, folder);
  const style = await resolveConfig(fileURLToPath(file));
  await writeFile(file, await format(JSON.stringify(schema), { ...style, parser: "json" }));
}
