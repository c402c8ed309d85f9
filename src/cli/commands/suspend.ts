import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

export interface SuspensionOptions extends CommonOptions {
  readonly agent: string;
  readonly by: string;
  readonly reason?: string;
}

/** `synapse suspend` */
export const execute: Execute<SuspensionOptions> = async (context, _operands, { agent, by, reason }) =>
  withPipeline(context, { create: true }, async ({ capabilityManager }) => {
    const changed = await capabilityManager.suspend(agent, {
      by,
      ...(reason === undefined ? {} : { reason }),
    });
    if (context.json) context.document({ suspended: true, agent_id: agent, changed });
    else
      context.out.line(
        changed ? `suspended ${agent}: everything is denied to it` : `${agent} was suspended before`,
      );
    return exitCode.done;
  });
