import { PinLog } from "../../gateway/pins/pin-log.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

/** `synapse gateway pins accept` */
export const execute: Execute<CommonOptions & { readonly by: string }> = async (
  context,
  [name = ""],
  { by },
) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const log = await PinLog.open(pipeline.audit);
    const known = new Set([...log.pins()].map(({ server }) => server));
    // A server's name may hold a slash itself: the longest that is known is the one that is meant.
    const cuts = [...name.matchAll(/\//g)].map(({ index }) => index);
    const at = known.has(name) ? undefined : cuts.findLast((index) => known.has(name.slice(0, index)));
    const [server, tool] = at === undefined ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
    const accepted = await log.accept(server, tool, by);
    for (const pin of accepted) {
      if (context.json)
        context.document({ server, tool: pin.tool, accepted: pin.withheld?.hash ?? null, by });
      else context.out.line(`accepted ${printable(server)}/${printable(pin.tool)}`);
    }
    log.close();
    return exitCode.done;
  });
