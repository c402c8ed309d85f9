import { didYouMean } from "../model/closest.js";
import type { PlacedExpression } from "./expression.js";

/** What the expressions of one step may name. */
export interface KnownNames {
  readonly step: string;
  readonly ids: ReadonlySet<string>;
  /** Undefined when the order of the steps could not be found. */
  readonly dependencies: readonly string[] | undefined;
  readonly inputs: readonly { readonly name: string }[];
}

const runFields = ["id", "workflow", "seed", "folder"];
const stepFields = ["output", "status"];

/** One thing wrong with a reference; `offset` is into the text that holds the expression. */
export interface ReferenceProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Finds uses of inputs, steps and run fields that do not exist or cannot be known when the step runs. */
export function checkReferences(
  { expression, start }: PlacedExpression,
  known: KnownNames,
): readonly ReferenceProblem[] {
  return expression.references.flatMap(({ variable, path, offset }) => {
    const problem =
      variable === "steps"
        ? checkStep(path, known)
        : variable === "run"
          ? checkRun(path)
          : checkInput(path, known);
    return problem === undefined ? [] : [{ ...problem, offset: start + offset }];
  });
}

type Finding = Omit<ReferenceProblem, "offset"> | undefined;

function checkStep([id, field]: readonly string[], { step, ids, dependencies }: KnownNames): Finding {
  if (id === undefined) {
    return {
      message: "`steps` must be followed by the name of one step",
      hint: 'write steps.name or steps["name"]: what a step depends on is known before the run',
    };
  }
  if (!ids.has(id)) {
    // `steps.my-step` is a subtraction to CEL.
    const dashed = [...ids].find((known) => known.startsWith(`${id}-`) || known.startsWith(`${id}.`));
    const hint = dashed === undefined ? didYouMean(id, ids) : `write steps["${dashed}"]`;
    return { message: `unknown step \`${id}\``, hint };
  }
  if (id === step) return { message: `step \`${id}\` cannot use its own result` };
  if (dependencies !== undefined && !dependencies.includes(id)) {
    return {
      message: `step \`${step}\` uses \`${id}\` but does not depend on it`,
      hint: `add \`${id}\` to its needs`,
    };
  }
  if (field === undefined || stepFields.includes(field)) return undefined;
  const hint = didYouMean(field, stepFields) ?? `write steps.${id}.output.${field} for a part of its output`;
  return { message: `a step has no field \`${field}\``, hint };
}

function checkRun([field]: readonly string[]): Finding {
  if (field === undefined || runFields.includes(field)) return undefined;
  const hint = didYouMean(field, runFields) ?? `its fields are: ${runFields.join(", ")}`;
  return { message: `\`run\` has no field \`${field}\``, hint };
}

function checkInput([name]: readonly string[], { inputs }: KnownNames): Finding {
  const names = inputs.map((input) => input.name);
  if (name === undefined || names.includes(name)) return undefined;
  return {
    message: `unknown input \`${name}\``,
    hint: didYouMean(name, names) ?? "declare it under `inputs`",
  };
}
