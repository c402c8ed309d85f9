import type { Pipeline } from "../pipeline.js";
import type { WorkflowDefinition } from "../workflow/definition.js";
import type { RunSummary, StepProgress } from "../workflow/report.js";
import type { CommandContext } from "./context.js";
import { runExitCode } from "./run-exit-code.js";
import { RunView } from "./run-view.js";

/** What a run is given so that it is told of while it goes on. */
export interface RunTelling {
  readonly signal: AbortSignal;
  readonly onStart: (run: { readonly run_id: string }) => void;
  readonly onStep: (progress: StepProgress) => void;
}

/**
 * Tells of a run, started or resumed: to people line by line, with `--json` every event of this process as it is
 * durable and the summary last.
 *
 * @param perform starts the run; `view` is undefined with `--json`.
 * @returns the command's exit code.
 */
export async function tellRun(
  context: CommandContext,
  pipeline: Pipeline,
  definition: WorkflowDefinition,
  perform: (telling: RunTelling, view: RunView | undefined) => Promise<RunSummary>,
): Promise<number> {
  const view = context.json ? undefined : new RunView(context, definition);
  const stop = pipeline.audit.onEvent((event, foreign) => {
    if (context.json && !foreign) context.document(event);
  });
  const telling: RunTelling = {
    signal: context.signal,
    onStart: ({ run_id }) => view?.start(run_id),
    onStep: (progress) => view?.step(progress),
  };
  const summary = await perform(telling, view);
  stop();
  if (context.json) context.document(summary);
  view?.end(summary);
  return runExitCode(summary, context.signal);
}
