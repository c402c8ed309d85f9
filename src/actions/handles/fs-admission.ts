import { EffectDeniedError } from "../../model/errors.js";
import type { FsAction } from "./fs-path.js";
import { assertReached } from "./fs-path.js";
import type { FsUse, Place } from "./fs-place.js";

/**
 * Finds what `path` leads to and lets it through only if this use may have it. The authority is asked
 * first: outside of it nobody learns what kind of file there is.
 */
export async function openAdmitted(
  use: FsUse,
  action: FsAction,
  path: string,
  how: { readonly folder: boolean },
): Promise<Place> {
  const place = await use.confinement.open(path, { folder: how.folder, follow: true });
  try {
    assertReached(use.grant, action, place.path);
    if (!place.stats.isFile() && !place.stats.isDirectory()) throw specialFile(path);
    if (await place.isPseudo()) throw specialFile(path);
    assertNotProtected(use, path, { path: place.path, dev: place.stats.dev, ino: place.stats.ino });
    return place;
  } catch (error) {
    await place.close();
    throw error;
  }
}

export function assertNotProtected(
  use: FsUse,
  path: string,
  file: { readonly path: string; readonly dev?: bigint; readonly ino?: bigint },
): void {
  if (!use.protectedFiles.covers(file)) return;
  throw new EffectDeniedError("protected_file", `\`${path}\` belongs to the pipeline itself`, {
    hint: "no capability reaches the store, its keys, the policy, or a folder named .synapse",
  });
}

export function specialFile(path: string): EffectDeniedError {
  return new EffectDeniedError(
    "special_file",
    `\`${path}\` is a device, pipe, socket or file of the kernel`,
    {
      hint: "only regular files and folders are reached",
    },
  );
}
