import { applyPolicy } from "../../policy/apply.js";
import { checkActions } from "../../workflow/definition.js";
import { runWorkflow } from "../../workflow/run.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { readPolicy, readWorkflow } from "../document-file.js";
import { inputsFromTexts } from "../input-texts.js";
import { operatorName } from "../operator-name.js";
import { tellRun } from "../tell-run.js";

interface RunOptions extends CommonOptions {
  readonly policy?: string;
  readonly input?: ReadonlyMap<string, string>;
  readonly seed?: number;
  readonly concurrency?: number;
}

/** `synapse run`: everything a person wrote is read and checked before anything is recorded. */
export const execute: Execute<RunOptions> = async (context, [file = ""], options) => {
  const definition = await readWorkflow(context, file);
  const inputs = inputsFromTexts(definition, options.input);
  const policy = options.policy === undefined ? undefined : await readPolicy(context, options.policy);
  const protectedFiles = policy === undefined ? [] : [policy.file];
  return withPipeline(context, { create: true, protectedFiles }, async (pipeline) => {
    checkActions(definition, new Set(pipeline.actions.names()));
    return tellRun(context, pipeline, definition, async (telling, view) => {
      if (policy !== undefined) {
        const changes = await applyPolicy(pipeline, policy, { by: operatorName(context.env) });
        view?.policy(policy.name, changes.length);
      }
      const { seed, concurrency } = options;
      return runWorkflow({ pipeline, definition, inputs, seed, concurrency, ...telling });
    });
  });
};
