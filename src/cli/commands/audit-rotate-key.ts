import { ledgerOf } from "../../core/audit.js";
import { rotateKey } from "../../core/key-rotation.js";
import { parseVerifierKey } from "../../verify.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

interface RotateOptions extends CommonOptions {
  readonly by: string;
}

/** `synapse audit rotate-key` */
export const execute: Execute<RotateOptions> = async (context, _operands, { by }) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const ledger = ledgerOf(pipeline.audit);
    const origin = parseVerifierKey(pipeline.verifierKey()).name;
    const keyFile = `${context.database}.key`;
    const { oldVkey, newVkey, seq } = await rotateKey(ledger, { keyFile, origin, by });
    if (context.json) context.document({ old_vkey: oldVkey, new_vkey: newVkey, seq });
    else context.out.line(newVkey);
    return exitCode.done;
  });
