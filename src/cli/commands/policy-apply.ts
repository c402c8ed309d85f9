import { applyPolicy, type PolicyChange } from "../../policy/apply.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { readPolicy } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { operatorName } from "../operator-name.js";
import { alignedLines } from "../table.js";

const symbols: { readonly [change in PolicyChange["change"]]: string } = {
  added: "+",
  replaced: "~",
  removed: "-",
};

/** `synapse policy apply` */
export const execute: Execute<CommonOptions & { readonly by?: string }> = async (
  context,
  [file = ""],
  options,
) => {
  const policy = await readPolicy(context, file);
  return withPipeline(context, { create: true }, async (pipeline) => {
    const changes = await applyPolicy(pipeline, policy, { by: options.by ?? operatorName(context.env) });
    if (context.json) for (const change of changes) context.document(change);
    else if (changes.length === 0) context.out.line("no changes");
    else {
      const { out, palette } = context;
      const paint = { added: palette.good, replaced: palette.warn, removed: palette.bad };
      const rows = changes.map(({ change, kind, id, agent, capability }) => [
        { text: `${symbols[change]} ${change}`, paint: paint[change] },
        kind,
        agent,
        capability,
        id,
      ]);
      out.lines(alignedLines(rows));
      out.line(`policy ${policy.name}: ${changes.length} ${changes.length === 1 ? "change" : "changes"}`);
    }
    return exitCode.done;
  });
};
