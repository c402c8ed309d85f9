import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

/** `synapse audit key`: the public key, as verifiers take it. */
export const execute: Execute<CommonOptions> = async (context) =>
  withPipeline(context, { create: false }, (pipeline) => {
    const vkey = pipeline.verifierKey();
    if (context.json) context.document({ vkey });
    else context.out.line(vkey);
    return Promise.resolve(exitCode.done);
  });
