import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { readKnownBundle } from "../bundle-file.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

interface CheckBundleOptions extends CommonOptions {
  readonly key?: VerifierKey;
  readonly unauthenticated?: boolean;
}

/** `synapse audit check-bundle`: opens no database, runs nothing. */
export const execute: Execute<CheckBundleOptions> = async (context, [file = ""], options) => {
  const { run, checkpoint, events, blobs, missing, complete, authenticated } = await readKnownBundle(
    context,
    file,
    options,
  );
  if (context.json) {
    const { origin, size } = checkpoint;
    const counts = { events: events.length, blobs, missing: missing.length };
    context.document({ ok: true, authenticated, complete, run_id: run.runId, origin, size, ...counts });
    return exitCode.done;
  }
  context.out.line(
    `run ${printable(run.runId)}: ${events.length} events stand in the log ${printable(checkpoint.origin)} of ${checkpoint.size} events`,
  );
  context.out.line(
    `${blobs} recorded values are those that were committed to; ${missing.length} were erased or left out`,
  );
  context.out.line(
    complete
      ? "it holds every event of that log"
      : "it holds a part of that log: that nothing was left out is the word of whoever made it",
  );
  return exitCode.done;
};
