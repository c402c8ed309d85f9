import { recordedRun, resumeWorkflow } from "../../workflow/resume.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { operatorName } from "../operator-name.js";
import { runExitCode } from "../run-exit-code.js";
import { RunView } from "../run-view.js";

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
    const view = context.json ? undefined : new RunView(context, definition);
    const stop = pipeline.audit.onEvent((event, foreign) => {
      if (context.json && !foreign) context.document(event);
    });
    const summary = await resumeWorkflow({
      pipeline,
      runId,
      by: options.by ?? operatorName(context.env),
      retry: options.retry,
      acceptAsFailed: options.acceptAsFailed,
      concurrency: options.concurrency,
      signal: context.signal,
      onStart: ({ run_id }) => view?.start(run_id),
      onStep: (progress) => view?.step(progress),
    });
    stop();
    if (context.json) context.document(summary);
    view?.end(summary);
    return runExitCode(summary, context.signal);
  });
