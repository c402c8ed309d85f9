import { z } from "zod";
import type { DocumentPath } from "../core/document.js";
import { identifierText } from "../core/document-parts.js";
import type { JsonObject } from "../model/json.js";

/** Most steps of one workflow, and most extra tries of one step. */
export const stepsMax = 1_000;
export const retriesMax = 10;

// The same letters as an identifier of CEL, and the dash for those who write inputs["a-b"].
const inputName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]{0,63}$/,
    "must begin with a letter and hold only letters, digits, _ and - (at most 64)",
  );
const text = z.string();
const reaction = z
  .enum(["stop", "continue"], { error: "must be `stop` or `continue`" })
  .describe("whether the run goes on; `stop` when left out");
const duration = z.string().describe("for example 500ms, 45s, 15m, 12h, 1h30m");
const attempts = z.int().min(0, "must not be negative").max(retriesMax, `must be at most ${retriesMax}`);

const input = z.strictObject({
  default: z.unknown().optional().describe("used when the run gives no value; any JSON"),
  description: text.optional(),
  type: z
    .enum(["string", "number", "boolean"], { error: "must be `string`, `number` or `boolean`" })
    .optional(),
  required: z.boolean().optional().describe("true when there is no default"),
});

const retry = z.strictObject({
  attempts: attempts.describe("tries after the first one"),
  delay: duration.optional(),
});

const step = z.strictObject({
  id: identifierText,
  agent: text.describe("the agent this step runs for; a literal"),
  action: text.describe("the action it runs; a literal"),
  with: z.record(z.string(), z.unknown()).optional().describe("parameters; strings may hold ${{ … }}"),
  needs: z.array(text).optional().describe("steps that must be done before"),
  capability: text.optional().describe("required capability; its resource may hold ${{ … }}"),
  scope: text
    .optional()
    .describe("narrows the resource of `capability`, or of what the action requires; may hold ${{ … }}"),
  if: z
    .union([z.string(), z.boolean()])
    .optional()
    .describe("a CEL condition; the step is skipped when false"),
  on_denied: reaction.optional(),
  on_error: reaction.optional(),
  timeout: duration.optional(),
  retry: z.union([attempts, retry]).optional().describe("extra tries, for idempotent actions"),
});

/** The document as it is written. What a schema cannot say is checked in `definition-build.ts`. */
export const workflowSchema = z.strictObject({
  name: identifierText,
  description: text.optional(),
  inputs: z
    .record(inputName, z.union([z.string(), z.number(), z.boolean(), z.array(z.unknown()), input]))
    .optional()
    .describe("by name: a default value, or a map with default, description, type, required"),
  seed: z.union([z.int(), z.string().max(256, "must be at most 256 characters")]).optional(),
  steps: z
    .array(step)
    .min(1, "must hold at least one step")
    .max(stepsMax, `must hold at most ${stepsMax} steps`),
});

export type WorkflowDocument = z.infer<typeof workflowSchema>;
export type StepDocument = z.infer<typeof step>;
export type InputDocument = z.infer<typeof input>;

/** The keys of the map at `path`, for hints about unknown ones. */
export function workflowKeysAt(path: DocumentPath): readonly string[] {
  if (path.length === 0) return Object.keys(workflowSchema.shape);
  if (path[0] === "steps" && path.length === 2) return Object.keys(step.shape);
  if (path[0] === "steps" && path[2] === "retry") return Object.keys(retry.shape);
  if (path[0] === "inputs" && path.length === 2) return Object.keys(input.shape);
  return [];
}

/** JSON Schema 2020-12 for editors. */
export function workflowJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(workflowSchema, { io: "input" }) as JsonObject;
  return { ...schema, title: "Synapse workflow" };
}
