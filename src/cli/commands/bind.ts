import type { JsonObject } from "../../model/json.js";
import { checkGrant } from "../check-grant.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { bindingJson } from "../documents.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

interface BindOptions extends CommonOptions {
  readonly agent: string;
  readonly capability: string;
  readonly scope?: string;
  readonly expires?: string;
  readonly constraints?: JsonObject;
  readonly parent?: string;
  readonly contract?: string;
  readonly delegable?: boolean;
  readonly by: string;
}

/** `synapse bind` */
export const execute: Execute<BindOptions> = async (context, _operands, options) => {
  checkGrant(options);
  return withPipeline(context, { create: true }, async (pipeline) => {
    const binding = await pipeline.bindingManager.bind({
      agentId: options.agent,
      capability: options.capability,
      scope: options.scope,
      createdBy: options.by,
      constraints: options.constraints,
      expiresAt: options.expires,
      contractId: options.contract,
      parentId: options.parent,
      delegable: options.delegable,
    });
    if (context.json) context.document(bindingJson(binding));
    else {
      const above = binding.contractId ?? binding.parentId ?? "";
      context.out.line(
        `bound ${binding.id}: ${printable(binding.capability)} to ${binding.agentId}, under ${above}`,
      );
    }
    return exitCode.done;
  });
};
