import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { contractJson } from "../documents.js";
import { exitCode } from "../exit-code.js";
import { printList } from "../list.js";
import { status } from "../palette.js";

/** `synapse contracts` */
export const execute: Execute<CommonOptions & { readonly all?: boolean }> = async (
  context,
  _operands,
  options,
) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const contracts = await pipeline.capabilityManager.listContracts({ all: options.all === true });
    printList(context, contracts, {
      none: "no contracts are in force",
      document: contractJson,
      headings: [
        "STATE",
        "CONTRACT",
        "ISSUED TO",
        "CAPABILITY",
        "SCOPE",
        "EXPIRES",
        "DELEGABLE",
        "ISSUED BY",
      ],
      row: (contract) => [
        status(contract.isActive ? "active" : "ended", context.palette),
        contract.id,
        contract.issuedTo,
        contract.capability,
        contract.scope,
        contract.expiresAt ?? "never",
        contract.delegable ? "yes" : "no",
        contract.issuedBy,
      ],
    });
    return exitCode.done;
  });
