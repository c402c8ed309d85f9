import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { SynapseError } from "../../model/errors.js";
import { bundleLines } from "../../replay/bundle-write.js";
import { findRun } from "../../replay/log-source.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, shellWord } from "../context.js";
import { withCoveredImage } from "../covered-image.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";
import { progressBar } from "../progress.js";

interface BundleOptions extends CommonOptions {
  readonly output: string;
  readonly complete?: boolean;
}

/** `synapse bundle`: the evidence of one run in one file. */
export const execute: Execute<BundleOptions> = async (context, [runId = ""], options) => {
  const bar = progressBar(context.err, "bundling");
  const complete = options.complete === true;
  const written = await withCoveredImage(
    context,
    undefined,
    (image) => findRun(image, runId).lastSeq,
    async ({ image, keys, vkey, checkpoint }) => {
      keys.open(checkpoint.note);
      const run = findRun(image, runId);
      const lines = bundleLines(image, { run, checkpoint, vkey, complete, onProgress: bar.report });
      return { run_id: run.runId, vkey, complete, ...(await write(context, options.output, lines)) };
    },
  ).finally(() => bar.end());
  if (context.json) context.document({ file: resolve(context.cwd, options.output), ...written });
  else {
    context.out.line(
      `bundled ${written.events} events in ${printable(options.output)}: ${written.bytes} bytes`,
    );
    context.note(
      "the reader needs the verifier key from you and not from the bundle: " +
        `synapse audit check-bundle ${shellWord(options.output)} --key ${shellWord(written.vkey)}`,
    );
  }
  return exitCode.done;
};

/** Made anew and for its owner alone: it holds what the run read and wrote. */
async function write(
  { cwd, signal }: CommandContext,
  name: string,
  lines: Iterable<{ readonly type: string }>,
): Promise<{ readonly events: number; readonly bytes: number }> {
  const path = resolve(cwd, name);
  const file = await open(path, "wx", 0o600).catch((cause: unknown) => {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "it exists" : message;
    const hint = code === "EEXIST" ? "choose another name, or remove it" : undefined;
    throw new SynapseError("unwritable_file", `\`${name}\` cannot be written: ${why}`, { hint, cause });
  });
  let [events, bytes] = [0, 0];
  try {
    for (const line of lines) {
      signal.throwIfAborted();
      const text = `${JSON.stringify(line)}\n`;
      await file.write(text);
      bytes += Buffer.byteLength(text);
      if (line.type === "event") events++;
    }
    await file.sync();
    return { events, bytes };
  } catch (error) {
    // A part of a bundle is no evidence: better none.
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
