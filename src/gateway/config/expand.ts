import { SynapseError } from "../../model/errors.js";

/** `${NAME}`, or `${NAME:-what stands for it when it is not set}`, as common clients expand them. */
const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Text with environment variables filled in, once: what a variable holds is not looked at again.
 *
 * @throws SynapseError `unset_variable`; nothing of what other variables hold is told.
 */
export function expandVariables(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(reference, (_whole, name: string, fallback: string | undefined) => {
    const value = env[name];
    if (value !== undefined && value !== "") return value;
    if (fallback !== undefined) return fallback;
    throw new SynapseError("unset_variable", `the environment variable \`${name}\` is not set`, {
      hint: `set it where the gateway is started, or write \${${name}:-…} with what should stand for it`,
    });
  });
}
