/** What programs need to run at all, and what holds no secret (as MCP's own clients hand on). */
const baseNames = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];

/**
 * The environment of an upstream: a small base, its own `env`, and the names that the operator lists. Whatever else
 * this process has, the secrets of other servers and of the gateway among it, is not visible there.
 *
 * @param own wins over everything.
 */
export function upstreamEnvironment(
  from: Readonly<Record<string, string | undefined>>,
  own: Readonly<Record<string, string>>,
  passed: readonly string[],
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of [...baseNames, ...passed]) {
    const value = from[name];
    // A shell may export functions under such values, and a child shell would define them.
    if (value !== undefined && !value.startsWith("()")) environment[name] = value;
  }
  return { ...environment, ...own };
}
