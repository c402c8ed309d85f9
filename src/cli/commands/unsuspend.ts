import type { Execute } from "../command.js";
import { withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import type { SuspensionOptions } from "./suspend.js";

/** `synapse unsuspend` */
export const execute: Execute<SuspensionOptions> = async (context, _operands, { agent, by, reason }) =>
  withPipeline(context, { create: true }, async ({ capabilityManager }) => {
    const changed = await capabilityManager.unsuspend(agent, {
      by,
      ...(reason === undefined ? {} : { reason }),
    });
    if (context.json) context.document({ suspended: false, agent_id: agent, changed });
    else context.out.line(changed ? `${agent} is no longer suspended` : `${agent} was not suspended`);
    return exitCode.done;
  });
