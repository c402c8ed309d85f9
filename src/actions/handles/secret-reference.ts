import type { SecretProvider } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";
import { spellingsOf } from "./secret-spelling.js";

const reference = /secret:\/\/([A-Za-z0-9_.-]{1,128})/g;

/** Shorter ones turn up in any text by chance: redacting them would destroy it and reveal them. */
const secretCharactersMin = 8;

export function hasSecretReference(text: string): boolean {
  return text.search(reference) !== -1;
}

/** The secrets that one use of a handle has resolved (SEMANTICS H7). Lives as long as that use. */
export interface SecretScope {
  /**
   * The text with each `secret://name` replaced by its value. A value is not searched for references.
   * @throws EffectFailedError `unknown_secret`, `invalid_secret`
   */
  fill(text: string): Promise<string>;
  /** The bytes with each resolved value, in any of its common spellings, replaced by a note of its name. */
  redact(bytes: Buffer): Buffer;
  /** The same for a binary string, one character a byte, as header values are. */
  redactBinary(binary: string): string;
}

export function createSecretScope(provider: SecretProvider | undefined): SecretScope {
  const values = new Map<string, string>();
  let spellings: readonly (readonly [spelling: string, note: string])[] = [];

  async function valueOf(name: string): Promise<string> {
    const known = values.get(name);
    if (known !== undefined) return known;
    const value = await provider?.resolve(name);
    if (value === undefined) throw new EffectFailedError("unknown_secret", `there is no secret \`${name}\``);
    if (value.length < secretCharactersMin) {
      throw new EffectFailedError(
        "invalid_secret",
        `the secret \`${name}\` is shorter than ${secretCharactersMin} characters`,
      );
    }
    values.set(name, value);
    // Longest first: a secret that contains another one must not leave its other half behind.
    spellings = [...values]
      .flatMap(([of, text]) => spellingsOf(text).map((s) => [s, `[redacted secret://${of}]`] as const))
      .sort(([a], [b]) => b.length - a.length);
    return value;
  }

  // One byte is one character here, so that a secret is found in bytes that are no valid text as well.
  function redactBinary(binary: string): string {
    let result = binary;
    for (const [spelling, note] of spellings) result = result.replaceAll(spelling, () => note);
    return result;
  }

  return {
    async fill(text) {
      let filled = "";
      let end = 0;
      for (const match of text.matchAll(reference)) {
        filled += text.slice(end, match.index) + (await valueOf(match[1] ?? ""));
        end = match.index + match[0].length;
      }
      return filled + text.slice(end);
    },
    redact(bytes) {
      if (spellings.length === 0) return bytes;
      return Buffer.from(redactBinary(bytes.toString("latin1")), "latin1");
    },
    redactBinary,
  };
}
