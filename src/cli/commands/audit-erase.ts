import { eraseBlob } from "../../audit/erase.js";
import { ledgerOf } from "../../core/audit.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

interface EraseOptions extends CommonOptions {
  readonly by: string;
  readonly why: string;
}

/** `synapse audit erase` */
export const execute: Execute<EraseOptions> = async (context, [ref = ""], { by, why }) =>
  withPipeline(context, { create: false }, async ({ audit }) => {
    const { changed, seq } = await eraseBlob(ledgerOf(audit), ref, { by, why });
    if (context.json) context.document({ erased: true, ref, changed, seq });
    else
      context.out.line(
        changed
          ? `erased what ${ref} stood for; event ${seq} says so`
          : `it was erased before, by event ${seq}`,
      );
    return exitCode.done;
  });
