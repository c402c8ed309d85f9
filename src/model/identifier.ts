/** Agent, workflow and step identifiers (SEMANTICS A1). */
const identifierPattern = /^[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}$/;
const agentGlobPattern = /^[A-Za-z0-9*][A-Za-z0-9._@:*-]{0,127}$/;

export function isIdentifier(value: unknown): value is string {
  return typeof value === "string" && identifierPattern.test(value);
}

/** An agent id, or a glob over ids in which `*` stands for any run of characters. */
export function isAgentGlob(value: unknown): value is string {
  return typeof value === "string" && agentGlobPattern.test(value);
}

/** Whether `agentId` is named by `glob`. Greedy with one backtracking point, so at most |glob| x |id| steps. */
export function matchesAgents(glob: string, agentId: string): boolean {
  let g = 0;
  let i = 0;
  let star = -1;
  let resume = 0;
  while (i < agentId.length) {
    if (g < glob.length && glob[g] === "*") {
      star = g++;
      resume = i;
    } else if (g < glob.length && glob[g] === agentId[i]) {
      g++;
      i++;
    } else if (star >= 0) {
      g = star + 1;
      i = ++resume;
    } else {
      return false;
    }
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}
