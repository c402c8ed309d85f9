import { findEvent, proveEvent } from "../../audit/prove.js";
import type { EventRow, LogImage } from "../../core/log-image.js";
import { NotFoundError } from "../../model/errors.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { noteOwnKey, withCoveredImage } from "../covered-image.js";
import { exitCode } from "../exit-code.js";

/** `synapse audit prove`: a proof document, to be kept or handed on. */
export const execute: Execute<CommonOptions> = async (context, [idOrSeq = ""]) => {
  const find = (image: LogImage): EventRow => {
    const row = findEvent(image, idOrSeq);
    if (row === undefined) throw new NotFoundError("event", idOrSeq, "synapse audit list shows them");
    return row;
  };
  const { proof, trusted } = await withCoveredImage(
    context,
    undefined,
    (image) => find(image).seq,
    ({ image, keys, checkpoint, trusted }) => {
      keys.open(checkpoint.note);
      return { proof: proveEvent(image, find(image), checkpoint), trusted };
    },
  );
  noteOwnKey(context, trusted);
  context.document(proof);
  return exitCode.done;
};
