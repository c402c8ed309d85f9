import { NotFoundError } from "../../model/errors.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";

/** `synapse unbind`: of a binding that was revoked before, it says so and is content. */
export const execute: Execute<CommonOptions & { readonly by: string }> = async (
  context,
  [id = ""],
  options,
) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const { bindingManager } = pipeline;
    const binding = (await bindingManager.listBindings({ all: true })).find(
      (candidate) => candidate.id === id,
    );
    if (binding === undefined) throw new NotFoundError("binding", id, "synapse bindings --all lists them");
    const changed = await bindingManager.unbind(id, { revokedBy: options.by });
    if (context.json) context.document({ revoked: true, binding_id: id, changed });
    else if (changed) {
      context.out.line(
        `revoked ${id} (${binding.agentId}, ${printable(binding.capability)}) and all delegated from it`,
      );
    } else context.out.line(`${id} was revoked before`);
    return exitCode.done;
  });
