import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { LogImage } from "../../core/log-image.js";
import { SynapseError } from "../../model/errors.js";
import { suggestPolicy, type Suggestion } from "../../policy/suggest.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { assertRun, withImage } from "../with-image.js";

interface SuggestCommandOptions extends CommonOptions {
  readonly agent?: string;
  readonly run?: string;
  readonly output?: string;
  readonly maxWildcards: number;
}

/** `synapse suggest`: reads the log only. */
export const execute: Execute<SuggestCommandOptions> = async (context, _operands, options) => {
  const { agent, run, output, maxWildcards } = options;
  const suggestion = await withImage(context, async (image) => {
    assertRun(image, run);
    return suggestPolicy(image, {
      agentId: agent,
      runId: run,
      name: freeName(image),
      wildcardsMax: maxWildcards,
      now: Date.now(),
    });
  });
  if (output !== undefined) write(context, output, suggestion.text);
  if (context.json) context.document(suggestionJson(suggestion));
  else if (output === undefined) context.out.write(suggestion.text);
  else context.out.line(`wrote ${output}: ${suggestion.grants.length} grants`);
  const { requests, unavailable } = suggestion.check;
  const unsure =
    unavailable === 0 ? "" : `; ${unavailable} could not be checked: their parameters are erased`;
  context.note(
    `under it alone, ${requests - unavailable} of ${requests} authorised requests are allowed again${unsure}`,
  );
  return exitCode.done;
};

/** Applying a policy takes away what the last one of its name gave, so the name has to be new. */
function freeName(image: LogImage): string {
  const taken = new Set([...image.policies()].map(({ name }) => name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? "suggested" : `suggested-${n}`;
    if (!taken.has(name)) return name;
  }
}

function write({ cwd }: CommandContext, file: string, text: string): void {
  try {
    // A policy that somebody wrote is never overwritten by one that a program made up.
    writeFileSync(resolve(cwd, file), text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw new SynapseError("file_exists", `the file \`${file}\` exists, and nothing is overwritten`, {
        hint: "choose another name, or move it away",
      });
    }
    throw new SynapseError("unwritable_file", `the file \`${file}\` cannot be written: ${message}`, {
      cause: error,
    });
  }
}

function suggestionJson({ policy, text, grants, check }: Suggestion): object {
  return {
    name: policy.name,
    policy: policy.source,
    text,
    grants: grants.map(({ agent, capability, uses, generalisedFrom, touched }) => ({
      agent,
      capability,
      uses,
      generalised_from: generalisedFrom,
      touched,
    })),
    check,
  };
}
