import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { bindingJson } from "../documents.js";
import { exitCode } from "../exit-code.js";
import { printList } from "../list.js";
import { status } from "../palette.js";

interface BindingsOptions extends CommonOptions {
  readonly agent?: string;
  readonly all?: boolean;
}

/** `synapse bindings` */
export const execute: Execute<BindingsOptions> = async (context, _operands, { agent, all = false }) =>
  withPipeline(context, { create: false }, async ({ bindingManager }) => {
    const bindings = await (agent === undefined
      ? bindingManager.listBindings({ all })
      : bindingManager.getBindings(agent, { all }));
    printList(context, bindings, {
      none: agent === undefined ? "no bindings are in force" : `${agent} has no bindings in force`,
      document: bindingJson,
      headings: ["STATE", "BINDING", "AGENT", "CAPABILITY", "SCOPE", "EXPIRES", "USES", "UNDER", "BOUND BY"],
      row: (binding) => [
        status(binding.isActive ? "active" : "ended", context.palette),
        binding.id,
        binding.agentId,
        binding.capability,
        binding.scope,
        binding.expiresAt ?? "never",
        String(binding.uses),
        binding.contractId ?? binding.parentId ?? "",
        binding.createdBy,
      ],
    });
    return exitCode.done;
  });
