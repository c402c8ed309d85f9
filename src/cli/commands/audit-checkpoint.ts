import { printBase64 } from "../../model/proof/base64.js";
import { parseCheckpoint } from "../../verify.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

/** `synapse audit checkpoint`: the signed note and nothing else, so that it can be kept as it is. */
export const execute: Execute<CommonOptions> = async (context) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const note = await pipeline.checkpoint();
    const { origin, size, root } = parseCheckpoint(note).checkpoint;
    if (context.json) context.document({ origin, size, root: printBase64(root), note });
    else context.out.write(note);
    return exitCode.done;
  });
