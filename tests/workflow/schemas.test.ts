import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { policyJsonSchema } from "../../src/policy/file-schema.js";
import { workflowJsonSchema } from "../../src/workflow/schema.js";

describe("the JSON Schemas for editors", () => {
  it.each([
    ["workflow", workflowJsonSchema],
    ["policy", policyJsonSchema],
  ])("schemas/%s.schema.json is what the code says (if not: `npm run schemas`)", async (name, generate) => {
    const stored: unknown = JSON.parse(
      await readFile(new URL(`../../schemas/${name}.schema.json`, import.meta.url), "utf8"),
    );
    expect(stored).toEqual(generate());
  });

  it("accept and refuse as the reader does", () => {
    const workflow = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(workflowJsonSchema());
    const step = { id: "a", agent: "x", action: "y" };
    expect(workflow({ name: "w", steps: [step] })).toBe(true);
    expect(workflow({ name: "w", steps: [{ ...step, retry: { attempts: 1, delay: "1s" }, if: true }] })).toBe(
      true,
    );
    expect(workflow({ name: "w", steps: [] })).toBe(false);
    expect(workflow({ name: "w", steps: [{ ...step, nedds: [] }] })).toBe(false);
    expect(workflow({ name: "w", steps: [{ ...step, retry: 11 }] })).toBe(false);
    const policy = new Ajv2020({ strict: true }).compile(policyJsonSchema());
    expect(policy({ version: 1, agents: { a: ["fs:read", { capability: "fs:read", expires: "1d" }] } })).toBe(
      true,
    );
    expect(policy({ version: 2 })).toBe(false);
    expect(policy({ version: 1, agents: { a: [{ scope: "/a" }] } })).toBe(false);
  });
});
