import type { RemedyStep } from "../policy/remedy.js";
import { shellWord } from "./context.js";

/**
 * Remedies as lines for a POSIX shell, every word quoted that needs it.
 *
 * @param by who does it, as it will stand in the log.
 * @param database ` --db '…'`, or nothing.
 */
export function remedyLines(steps: readonly RemedyStep[], by: string, database: string): string[] {
  const end = ` --by ${shellWord(by)}${database}`;
  return steps.map((step) => {
    if (step.do === "unsuspend") return `synapse unsuspend --agent ${shellWord(step.agent)}${end}`;
    const capability = `--capability ${shellWord(step.capability)}`;
    const issue = `synapse issue ${capability} --to ${shellWord(step.agent)}${end}`;
    if (step.do === "issue") return issue;
    const constraints =
      Object.keys(step.constraints).length === 0
        ? ""
        : ` --constraints ${shellWord(JSON.stringify(step.constraints))}`;
    const contract = step.ownContract ? ` --contract "$(${issue} --json | ${contractId})"` : "";
    return `synapse bind --agent ${shellWord(step.agent)} ${capability}${constraints}${contract}${end}`;
  });
}

/** The id is the first member of what `issue --json` prints. */
const contractId = `sed 's/^{"contract_id":"\\([^"]*\\)".*/\\1/'`;
