import { z } from "zod";
import type { DocumentPath } from "../core/document.js";
import { identifierText } from "../core/document-parts.js";
import type { JsonObject } from "../model/json.js";

const capability = z
  .string()
  .describe("domain:action[:resource]; in fs, ./… stands for a path below the policy's root");
const scope = z.string().describe("a resource pattern of the capability's domain that narrows it");
const expires = z
  .string()
  .describe("an RFC 3339 date and time, or a duration that counts from the binding's creation");
const constraints = z
  .record(z.string(), z.unknown())
  .describe("max_uses, rate, not_before, except, params, when, approval, …");
const delegable = z.boolean().describe("whether the holder may pass a part of it on; false when left out");

const contract = z.strictObject({
  capability,
  scope: scope.optional(),
  issued_to: z
    .string()
    .regex(/^[A-Za-z0-9*][A-Za-z0-9._@:*-]{0,127}$/, "must be an agent id, or a pattern of ids with `*`")
    .optional()
    .describe("an agent id, or a pattern of ids with *"),
  expires: expires.optional(),
  constraints: constraints.optional(),
  delegable: delegable.optional(),
});

const grant = z.strictObject({
  capability,
  scope: scope.optional(),
  constraints: constraints.optional(),
  expires: expires.optional(),
  delegable: delegable.optional(),
  contract: z.string().optional().describe("the name of the contract that it rests on"),
});

/** The document as it is written. What a schema cannot say is checked in `file.ts`. */
export const policySchema = z.strictObject({
  version: z.literal(1, { error: "must be 1" }),
  name: identifierText
    .optional()
    .describe("the policy's name; the file's name without extension when left out"),
  root: z
    .string()
    .min(1, "must not be empty")
    .optional()
    .describe(
      "the folder that ./… resources are relative to; itself relative to the file's folder, which is the default",
    ),
  contracts: z.record(identifierText, contract).optional(),
  agents: z.record(identifierText, z.array(z.union([capability, grant]))).optional(),
});

export type PolicyDocumentText = z.infer<typeof policySchema>;
export type ContractText = z.infer<typeof contract>;
export type GrantText = z.infer<typeof grant>;

/** The keys of the map at `path`, for hints about unknown ones. */
export function policyKeysAt(path: DocumentPath): readonly string[] {
  if (path.length === 0) return Object.keys(policySchema.shape);
  if (path[0] === "contracts" && path.length === 2) return Object.keys(contract.shape);
  if (path[0] === "agents" && path.length === 3) return Object.keys(grant.shape);
  return [];
}

/** JSON Schema 2020-12 for editors. */
export function policyJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(policySchema, { io: "input" }) as JsonObject;
  return { ...schema, title: "Synapse policy" };
}
