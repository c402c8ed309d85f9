import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join, isAbsolute } from "node:path";
import type { SecretProvider } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";

/** Most bytes of a secret that stands in a file. */
const secretBytesMax = 64 * 1024;

/** `secret://NAME` is the environment variable `SYNAPSE_SECRET_NAME`; an empty one does not exist. */
export function environmentSecrets(prefix = "SYNAPSE_SECRET_"): SecretProvider {
  if (prefix === "") throw new TypeError("without a prefix every environment variable would be a secret");
  return {
    resolve(name) {
      const value = process.env[prefix + name];
      return Promise.resolve(value === "" ? undefined : value);
    },
  };
}

/**
 * `secret://name` is the file of that name in this folder, UTF-8, one newline at its end not counted.
 * Symlinks are followed (mounted secrets are made of them); the file they lead to must be ours or root's
 * and closed to everybody else.
 *
 * `resolve` throws EffectFailedError `insecure_secret` (mode or owner) or `invalid_secret` (not a file,
 * over 64 KiB, not UTF-8).
 */
export function fileSecrets(folder: string): SecretProvider {
  if (!isAbsolute(folder)) throw new TypeError(`the folder of secrets is not absolute: \`${folder}\``);
  return {
    async resolve(name) {
      // A reference cannot hold a slash, so these two are the only ways out of the folder.
      if (name === "." || name === ".." || name.includes("/")) return undefined;
      const file = await openOrNothing(join(folder, name));
      if (file === undefined) return undefined;
      try {
        const facts = await file.stat();
        if (!facts.isFile() || facts.size > secretBytesMax) {
          throw new EffectFailedError(
            "invalid_secret",
            `the secret \`${name}\` is not a file of at most 64 KiB`,
          );
        }
        const owner = process.getuid?.();
        if ((facts.mode & 0o077) !== 0 || (owner !== undefined && facts.uid !== owner && facts.uid !== 0)) {
          throw new EffectFailedError("insecure_secret", `others have access to the secret \`${name}\``, {
            hint: "make its file your own and `chmod 600` it",
          });
        }
        return decode(await file.readFile(), name);
      } finally {
        await file.close();
      }
    },
  };
}

async function openOrNothing(path: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    // O_NONBLOCK: a FIFO in the folder must not hang the step.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new EffectFailedError("invalid_secret", "a secret's file cannot be opened", { cause: error });
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch (error) {
    throw new EffectFailedError("invalid_secret", `the secret \`${name}\` is not UTF-8`, { cause: error });
  }
}
