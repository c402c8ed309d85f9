import { parseCapability, parseScope } from "../../model/capability/index.js";
import type { JsonObject } from "../../model/json.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { status } from "../palette.js";
import { alignedLines } from "../table.js";

interface CheckOptions extends CommonOptions {
  readonly agent: string;
  readonly capability: string;
  readonly scope?: string;
  readonly params?: JsonObject;
}

/** `synapse check`: asks the enforcer, which records the answer. */
export const execute: Execute<CheckOptions> = async (context, _operands, options) => {
  const { agent, scope, params } = options;
  // What a person mistyped is an error here; to the enforcer, which agents ask too, it is a denial.
  const capability = parseCapability(options.capability);
  if (scope !== undefined) parseScope(capability, scope);
  return withPipeline(context, { create: true }, async (pipeline) => {
    const answer = await pipeline.permissionEnforcer.enforce({
      agentId: agent,
      capability: capability.text,
      scope,
      params,
    });
    const { allowed, reason, explanation } = answer;
    if (context.json) {
      const binding_id = answer.bindingId ?? null;
      context.document({ allowed, binding_id, reason: reason ?? null, explanation });
    } else {
      const { out, palette } = context;
      out.lines(alignedLines([[status(allowed ? "allowed" : "denied", palette), agent, capability.text]]));
      out.lines(alignedLines([["", reason === undefined ? explanation : `${reason}: ${explanation}`]]));
    }
    return allowed ? exitCode.done : exitCode.denied;
  });
};
