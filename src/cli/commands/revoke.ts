import { NotFoundError } from "../../model/errors.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

/** `synapse revoke`: of a contract that was revoked before, it says so and is content. */
export const execute: Execute<CommonOptions & { readonly by: string }> = async (
  context,
  [id = ""],
  options,
) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const { capabilityManager } = pipeline;
    const contract = await capabilityManager.getContract(id);
    if (contract === undefined) throw new NotFoundError("contract", id, "synapse contracts --all lists them");
    const changed = await capabilityManager.revoke(id, { revokedBy: options.by });
    if (context.json) context.document({ revoked: true, contract_id: id, changed });
    else if (changed)
      context.out.line(`revoked ${id} (${printable(contract.capability)}) and all that rests on it`);
    else context.out.line(`${id} was revoked before`);
    return exitCode.done;
  });
