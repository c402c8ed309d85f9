import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { lstat } from "node:fs/promises";

import { EffectFailedError } from "../../model/errors.js";
import { assertNotProtected, specialFile } from "./fs-admission.js";
import { systemCode } from "./fs-failure.js";
import type { FsAction } from "./fs-path.js";
import { assertReached, joinPath } from "./fs-path.js";
import type { FsUse, Place } from "./fs-place.js";
import { isPseudoPath } from "./fs-pseudo.js";

/** The entry that a write replaces or a delete removes: a name inside a folder that was found. */
export interface Target {
  /** The folder's real path and the name. */
  readonly realPath: string;
  /** Of the entry itself, a symlink not followed; undefined when there is none. */
  readonly stats: BigIntStats | undefined;
}

/** Lets a name in a found folder through, before anything in that folder is created or changed. */
export async function admitTarget(
  use: FsUse,
  action: FsAction,
  path: string,
  folder: Place,
  name: string,
): Promise<Target> {
  const realPath = joinPath(folder.path, name);
  assertReached(use.grant, action, realPath);
  if (isPseudoPath(realPath) || (await folder.isPseudo())) throw specialFile(path);
  const stats = await statEntry(folder, name);
  assertNotProtected(
    use,
    path,
    stats ? { path: realPath, dev: stats.dev, ino: stats.ino } : { path: realPath },
  );
  return { realPath, stats };
}

/** An entry of a found folder, a symlink not followed; undefined when there is none. */
export async function statEntry(folder: Place, name: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(folder.child(name), { bigint: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether the folder still has the name that authority was checked against. */
export async function isWhereItWas(folder: Place): Promise<boolean> {
  return (await folder.locate()) === folder.path;
}

export function folderMoved(path: string, what: string): EffectFailedError {
  return new EffectFailedError(
    "folder_moved",
    `the folder of \`${path}\` was moved or replaced meanwhile: ${what}`,
  );
}

/** Makes the entries of a folder durable: a renamed file is not, before its folder is (fsync(2)). */
export async function syncFolder(folder: Place): Promise<void> {
  let handle;
  try {
    handle = await folder.reopen(constants.O_RDONLY);
  } catch (error) {
    // A folder that may be written and entered but not read cannot be opened, so not synced either.
    if (systemCode(error) === "EACCES") return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    // fsync(2): file systems that do not sync folders say so with EINVAL.
    if (systemCode(error) !== "EINVAL") throw error;
  } finally {
    await handle.close();
  }
}
