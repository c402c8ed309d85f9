import { type Growth, proveGrowth } from "../../audit/prove.js";
import { printBase64 } from "../../model/proof/base64.js";
import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { parseCheckpoint } from "../../verify.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { noteOwnKey, withCoveredImage } from "../covered-image.js";
import { readEvidence } from "../document-file.js";
import { exitCode } from "../exit-code.js";

interface ConsistencyOptions extends CommonOptions {
  readonly key?: VerifierKey;
}

/** `synapse audit consistency`: that the log grew out of a checkpoint that was kept elsewhere. */
export const execute: Execute<ConsistencyOptions> = async (context, [file = ""], { key }) => {
  const kept = await readEvidence(context, file);
  const { size } = parseCheckpoint(kept).checkpoint;
  const { growth, note, trusted } = await withCoveredImage(
    context,
    key,
    () => size,
    ({ image, keys, checkpoint, trusted }): { growth: Growth; note: string; trusted: string } => ({
      growth: proveGrowth(image, keys, kept, checkpoint.note),
      note: checkpoint.note,
      trusted,
    }),
  );
  const { older, newer, proof } = growth;
  if (key === undefined) noteOwnKey(context, trusted);
  if (context.json)
    context.document({
      ok: true,
      origin: newer.origin,
      old_size: older.size,
      new_size: newer.size,
      proof: proof.map(printBase64),
      checkpoint: note,
      key: trusted,
      own_key: key === undefined,
    });
  else context.out.line(`the log grew from ${older.size} to ${newer.size} events by appending alone`);
  return exitCode.done;
};
