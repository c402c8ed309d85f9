import { fileURLToPath } from "node:url";
import { InvalidArgumentError } from "commander";

/**
 * What a client starts Synapse with. Node and the program go by their absolute paths: clients with a window do not
 * have the search path of a shell, so neither `synapse` nor the `node` of its first line would be found.
 */
export function ownLauncher(): readonly string[] {
  return Object.freeze([process.execPath, fileURLToPath(new URL("main.js", import.meta.url))]);
}

/** npx keeps what it fetched for one use in a cache, which it or somebody else empties some day. */
export function isTransient(launcher: readonly string[]): boolean {
  return launcher.some((word) => /[/\\]_npx[/\\]/.test(word));
}

/** Words separated by spaces, or a JSON list where a word has a space in it. */
export function launcherWords(text: string): readonly string[] {
  const words: unknown = text.trimStart().startsWith("[") ? parsed(text) : text.trim().split(/ +/);
  if (!Array.isArray(words) || words.length === 0 || !words.every(isWord))
    throw new InvalidArgumentError(
      'it must be words, such as npx -y synapse-pipeline, or ["/opt/my tools/synapse"]',
    );
  // Clients fill in `$NAME` and `${NAME}`.
  if (words.some((word) => word.includes("$")))
    throw new InvalidArgumentError("the client could read $ as a variable");
  return words;
}

function isWord(word: unknown): word is string {
  return typeof word === "string" && word !== "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(
      `it is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
