import { allBuiltinActions } from "../../actions/index.js";
import { createReplayHandles } from "../../actions/handles/index.js";
import { ActionRegistry } from "../../core/action.js";
import { findRun } from "../../replay/log-source.js";
import { replayRun, type RunReplay, sourceOf } from "../../replay/replay-run.js";
import { openImage } from "../../stores/sqlite/image.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { progressBar } from "../progress.js";
import { ReplayView } from "../replay-view.js";

interface ReplayOptions extends CommonOptions {
  readonly step?: string;
}

/** `synapse replay`: opens the database to read it alone. */
export const execute: Execute<ReplayOptions> = async (context, [runId], options) => {
  const image = openImage(context.database);
  const bar = progressBar(context.err, "reading the log");
  let replay: RunReplay;
  try {
    const run = findRun(image, runId);
    const view = context.json ? undefined : new ReplayView(context);
    view?.start(run);
    replay = await replayRun(run, sourceOf(image, run), {
      actions: new ActionRegistry(allBuiltinActions),
      handlesIn: createReplayHandles,
      step: options.step,
      signal: context.signal,
      onProgress: bar.report,
      onStep: (step) => {
        bar.end();
        if (context.json) context.document(step);
        else view?.step(step);
      },
    });
    view?.end(replay);
  } catch (error) {
    if (context.signal.aborted) return exitCode.interrupted;
    throw error;
  } finally {
    bar.end();
    image.close();
  }
  if (context.json) context.document({ run_id: replay.run_id, status: replay.status });
  return replay.status === "identical" ? exitCode.done : exitCode.unverified;
};
