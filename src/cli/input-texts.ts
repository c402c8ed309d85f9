import { SynapseError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { resolveInputs } from "../workflow/definition-inputs.js";
import type { InputDefinition, WorkflowDefinition } from "../workflow/definition.js";

/**
 * The inputs of a run from `--input name=value` texts. A text is read as what the workflow declares, or as
 * what its default is; where neither says anything it stays text.
 *
 * @throws SynapseError `invalid_input` for a text that is not of that type; InvalidDataError for an input that
 *   is unknown or missing.
 */
export function inputsFromTexts(
  definition: WorkflowDefinition,
  texts: ReadonlyMap<string, string> = new Map(),
): JsonObject {
  const byName = new Map(definition.inputs.map((input) => [input.name, input]));
  const given = [...texts].map(([name, text]) => [name, valueOf(text, byName.get(name))] as const);
  return resolveInputs(definition, Object.fromEntries(given));
}

function valueOf(text: string, input: InputDefinition | undefined): JsonValue {
  const kind: string = input?.type ?? (Array.isArray(input?.default) ? "list" : typeof input?.default);
  switch (kind) {
    case "number":
      return parsed(text, input, "a number", (value) => typeof value === "number");
    case "boolean":
      return parsed(text, input, "true or false", (value) => typeof value === "boolean");
    case "list":
      return parsed(text, input, "a JSON list", (value) => Array.isArray(value));
    case "object":
      return parsed(text, input, "JSON", () => true);
    default:
      return text;
  }
}

function parsed(
  text: string,
  input: InputDefinition | undefined,
  kind: string,
  fits: (value: JsonValue) => boolean,
): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    // JSON reads 1e999 as infinity, which is no JSON value.
    if (fits(value) && (typeof value !== "number" || Number.isFinite(value))) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  throw new SynapseError("invalid_input", `input \`${input?.name}\` must be ${kind}, not \`${shown}\``);
}
