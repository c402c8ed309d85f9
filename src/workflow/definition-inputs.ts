import type { SourceDocument } from "../core/document.js";
import { didYouMean } from "../model/closest.js";
import { InvalidDataError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import type { InputDefinition, WorkflowDefinition } from "./definition.js";
import type { Report } from "./definition-build.js";
import type { InputDocument, WorkflowDocument } from "./schema.js";

export function buildInputs(
  document: SourceDocument,
  written: NonNullable<WorkflowDocument["inputs"]>,
  report: Report,
): readonly InputDefinition[] {
  const inputs = Object.entries(written).map(([name, value]) => {
    const input: InputDocument =
      typeof value === "object" && !Array.isArray(value) ? value : { default: value };
    const fallback = input.default as JsonValue | undefined;
    const offset = document.offsetOf(["inputs", name, "default"]);
    if (fallback !== undefined && input.type !== undefined && typeof fallback !== input.type) {
      report(offset, `the default of input \`${name}\` is not a ${input.type}`);
    }
    if (fallback !== undefined && input.required === true) {
      report(
        document.keyOffsetOf(["inputs", name, "required"]),
        `input \`${name}\` has a default and cannot be required`,
      );
    }
    return Object.freeze({
      name,
      description: input.description,
      type: input.type,
      required: input.required ?? fallback === undefined,
      default: fallback,
    });
  });
  return Object.freeze(inputs);
}

/**
 * The inputs of one run: what was given, else defaults, else null.
 *
 * @throws InvalidDataError naming the input that is unknown, missing or of another type.
 */
export function resolveInputs(definition: WorkflowDefinition, given: JsonObject): JsonObject {
  const known = definition.inputs.map((input) => input.name);
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const hint =
      didYouMean(name, known) ?? (known.length === 0 ? "it has none" : `its inputs are: ${known.join(", ")}`);
    throw new InvalidDataError(
      `inputs.${name}`,
      `workflow \`${definition.name}\` has no input \`${name}\``,
      hint,
    );
  }
  const resolved = definition.inputs.map((input) => {
    const { name } = input;
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined && input.required) {
      throw new InvalidDataError(`inputs.${name}`, `input \`${name}\` is required`);
    }
    if (value !== undefined && input.type !== undefined && typeof value !== input.type) {
      throw new InvalidDataError(`inputs.${name}`, `input \`${name}\` must be a ${input.type}`);
    }
    return [name, value ?? input.default ?? null] as const;
  });
  return Object.freeze(Object.fromEntries(resolved));
}
