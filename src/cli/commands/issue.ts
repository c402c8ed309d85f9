import type { JsonObject } from "../../model/json.js";
import { checkGrant } from "../check-grant.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { contractJson } from "../documents.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

interface IssueOptions extends CommonOptions {
  readonly capability: string;
  readonly scope?: string;
  readonly to?: string;
  readonly expires?: string;
  readonly constraints?: JsonObject;
  readonly delegable?: boolean;
  readonly by: string;
}

/** `synapse issue` */
export const execute: Execute<IssueOptions> = async (context, _operands, options) => {
  checkGrant(options);
  return withPipeline(context, { create: true }, async (pipeline) => {
    const contract = await pipeline.capabilityManager.issue({
      capability: options.capability,
      scope: options.scope,
      issuedTo: options.to,
      issuedBy: options.by,
      constraints: options.constraints,
      expiresAt: options.expires,
      delegable: options.delegable,
    });
    if (context.json) context.document(contractJson(contract));
    else {
      context.out.line(`issued ${contract.id}: ${printable(contract.capability)} to ${contract.issuedTo}`);
      context.out.line(context.palette.dim("a contract lets nobody act yet: `synapse bind` puts it to work"));
    }
    return exitCode.done;
  });
};
