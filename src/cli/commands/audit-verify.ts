import { resolve } from "node:path";
import { publicKeyBeside } from "../../core/signing-key.js";
import { type Problem, problemOf } from "../../audit/problem.js";
import { type LogVerdict, verifyLog } from "../../audit/verify-log.js";
import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { openSurveyedImage } from "../../stores/sqlite/image.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { readEvidence } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";
import { progressBar } from "../progress.js";
import { verifyExportFolder } from "../verify-export.js";

interface VerifyOptions extends CommonOptions {
  readonly export?: string;
  readonly key?: VerifierKey;
  readonly against?: string;
  readonly unauthenticated?: boolean;
}

/** `synapse audit verify`: reads only; makes, migrates and records nothing. */
export const execute: Execute<VerifyOptions> = async (context, _operands, options) => {
  const against = options.against === undefined ? undefined : await readEvidence(context, options.against);
  const bar = progressBar(context.err, "verifying");
  let verdict: LogVerdict;
  try {
    verdict = await (options.export === undefined
      ? verifyStore(context, options, against, bar.report)
      : verifyExported(context, options.export, options, against, bar.report));
  } catch (error) {
    if (context.signal.aborted) return exitCode.interrupted;
    throw error;
  } finally {
    bar.end();
  }
  if (context.json) context.document(verdict);
  else tell(context, verdict);
  return verdict.ok ? exitCode.done : exitCode.unverified;
};

async function verifyStore(
  context: CommandContext,
  { key }: VerifyOptions,
  against: string | undefined,
  onProgress: (done: number, of: number) => void,
): Promise<LogVerdict> {
  let image;
  try {
    image = await openSurveyedImage(context.database);
  } catch (error) {
    return refused(problemOf(error), error);
  }
  try {
    const ownKey = key === undefined ? publicKeyBeside(`${context.database}.key`) : undefined;
    const verdict = await verifyLog(image, { key, ownKey, against, onProgress, signal: context.signal });
    if (key === undefined && verdict.checkpoints > 0) {
      context.note(
        "verified with the key beside the database: whoever has that can sign anything; " +
          "give the verifier key you were handed with --key",
      );
    }
    return verdict;
  } catch (error) {
    return refused(problemOf(error), error);
  } finally {
    image.close();
  }
}

async function verifyExported(
  context: CommandContext,
  folder: string,
  { key, unauthenticated }: VerifyOptions,
  against: string | undefined,
  onProgress: (done: number, of: number) => void,
): Promise<LogVerdict> {
  try {
    const verdict = await verifyExportFolder(resolve(context.cwd, folder), {
      key,
      unauthenticated: unauthenticated === true,
      against,
      onProgress,
    });
    if (key === undefined)
      context.note("UNAUTHENTICATED: verified with the key that lies in the export itself");
    return verdict;
  } catch (error) {
    return refused(problemOf(error), error);
  }
}

function refused(found: Problem | undefined, error: unknown): LogVerdict {
  if (found === undefined) throw error;
  return Object.freeze({
    ok: false,
    events: 0,
    checkpoints: 0,
    root: "",
    problems: [found],
  });
}

function tell({ out, err }: CommandContext, { ok, events, checkpoints, root, problems }: LogVerdict): void {
  for (const { code, message, hint } of problems) {
    err.line(`error[${code}]: ${printable(message)}`);
    if (hint !== null) err.line(`hint: ${printable(hint)}`);
  }
  if (ok) out.line(`verified ${events} events and ${checkpoints} checkpoints, root ${root}`);
}
