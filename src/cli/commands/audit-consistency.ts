import { type Growth, proveGrowth } from "../../audit/prove.js";
import { printBase64 } from "../../model/proof/base64.js";
import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { parseCheckpoint } from "../../verify.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { withCoveredImage } from "../covered-image.js";
import { readEvidence } from "../document-file.js";
import { exitCode } from "../exit-code.js";

interface ConsistencyOptions extends CommonOptions {
  readonly key?: VerifierKey;
}

/** `synapse audit consistency`: that the log grew out of a checkpoint that was kept elsewhere. */
export const execute: Execute<ConsistencyOptions> = async (context, [file = ""], { key }) => {
  const kept = await readEvidence(context, file);
  const { size } = parseCheckpoint(kept).checkpoint;
  const { growth, note } = await withCoveredImage(
    context,
    key,
    () => size,
    ({ image, keys, checkpoint }): { growth: Growth; note: string } => ({
      growth: proveGrowth(image, keys, kept, checkpoint.note),
      note: checkpoint.note,
    }),
  );
  const { older, newer, proof } = growth;
  if (context.json)
    context.document({
      ok: true,
      origin: newer.origin,
      old_size: older.size,
      new_size: newer.size,
      proof: proof.map(printBase64),
      checkpoint: note,
    });
  else context.out.line(`the log grew from ${older.size} to ${newer.size} events by appending alone`);
  return exitCode.done;
};
