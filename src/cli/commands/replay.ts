import { allBuiltinActions } from "../../actions/index.js";
import { createReplayHandles } from "../../actions/handles/index.js";
import { ActionRegistry } from "../../core/action.js";
import { NotFoundError } from "../../model/errors.js";
import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { findRun, type RecordedRun } from "../../replay/log-source.js";
import { replayRun, type ReplaySource, type RunReplay, sourceOf } from "../../replay/replay-run.js";
import { openImage } from "../../stores/sqlite/image.js";
import { executeLive } from "../replay-live.js";
import { readKnownBundle } from "../bundle-file.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { progressBar } from "../progress.js";
import { ReplayView } from "../replay-view.js";

interface ReplayOptions extends CommonOptions {
  readonly step?: string;
  readonly fromBundle?: string;
  readonly key?: VerifierKey;
  readonly unauthenticated?: boolean;
  readonly live?: boolean;
}

/** `synapse replay`: opens the database, or the bundle, to read it alone; `--live` is a new run of its own. */
export const execute: Execute<ReplayOptions> = async (context, [runId], options) => {
  if (options.live === true) return executeLive(context, runId);
  try {
    const replay =
      options.fromBundle === undefined
        ? await replayStored(context, runId, options)
        : await replayBundle(context, runId, options.fromBundle, options);
    if (context.json) context.document({ run_id: replay.run_id, status: replay.status });
    return replay.status === "identical" ? exitCode.done : exitCode.unverified;
  } catch (error) {
    if (context.signal.aborted) return exitCode.interrupted;
    throw error;
  }
};

async function replayStored(
  context: CommandContext,
  runId: string | undefined,
  options: ReplayOptions,
): Promise<RunReplay> {
  const image = openImage(context.database);
  try {
    const run = findRun(image, runId);
    return await replay(context, run, sourceOf(image, run), options);
  } finally {
    image.close();
  }
}

async function replayBundle(
  context: CommandContext,
  runId: string | undefined,
  file: string,
  options: ReplayOptions,
): Promise<RunReplay> {
  const bundle = await readKnownBundle(context, file, options);
  if (runId !== undefined && runId !== bundle.run.runId) {
    throw new NotFoundError("run", runId, `the bundle is of run ${bundle.run.runId}`);
  }
  return replay(context, bundle.run, bundle, options);
}

async function replay(
  context: CommandContext,
  run: RecordedRun,
  source: ReplaySource,
  { step }: ReplayOptions,
): Promise<RunReplay> {
  const bar = progressBar(context.err, "reading the log");
  const view = context.json ? undefined : new ReplayView(context);
  view?.start(run);
  try {
    const result = await replayRun(run, source, {
      // Handle-only actions and scripts: whatever a bundle says, nothing else is run.
      actions: new ActionRegistry(allBuiltinActions),
      handlesIn: createReplayHandles,
      step,
      signal: context.signal,
      onProgress: bar.report,
      onStep: (one) => {
        bar.end();
        if (context.json) context.document(one);
        else view?.step(one);
      },
    });
    view?.end(result);
    return result;
  } finally {
    bar.end();
  }
}
