import { recordedRun, resumeWorkflow } from "../../workflow/resume.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { operatorName } from "../operator-name.js";
import { tellRun } from "../tell-run.js";

interface ResumeOptions extends CommonOptions {
  readonly retry?: readonly string[];
  readonly acceptAsFailed?: readonly string[];
  readonly by?: string;
  readonly concurrency?: number;
}

/** `synapse resume`: what a person has to decide first is asked before anything runs or is recorded. */
export const execute: Execute<ResumeOptions> = async (context, [runId = ""], options) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const { definition } = recordedRun(pipeline, runId);
    return tellRun(context, pipeline, definition, (telling) =>
      resumeWorkflow({
        pipeline,
        runId,
        by: options.by ?? operatorName(context.env),
        retry: options.retry,
        acceptAsFailed: options.acceptAsFailed,
        concurrency: options.concurrency,
        ...telling,
      }),
    );
  });
