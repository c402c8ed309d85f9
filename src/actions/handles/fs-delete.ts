import { rmdir, unlink } from "node:fs/promises";

import { EffectFailedError } from "../../model/errors.js";
import { specialFile } from "./fs-admission.js";
import { assertRunning, systemCode } from "./fs-failure.js";
import { splitPath } from "./fs-path.js";
import type { FsUse } from "./fs-place.js";
import { admitTarget, folderMoved, isWhereItWas, syncFolder } from "./fs-target.js";

/** Removes one entry of a folder: a file, a symlink itself, or an empty folder. Durable when it resolves. */
export async function deleteEntry(use: FsUse, path: string): Promise<{ readonly deleted: true }> {
  const { parent, name } = splitPath(path);
  if (name === "") throw specialFile(path);
  const folder = await use.confinement.open(parent, { folder: true, follow: true });
  try {
    const { stats } = await admitTarget(use, "delete", path, folder, name);
    if (stats === undefined) throw new EffectFailedError("not_found", `\`${path}\` does not exist`);
    if (!stats.isFile() && !stats.isSymbolicLink() && !stats.isDirectory()) throw specialFile(path);
    assertRunning(use.signal, path);
    if (!(await isWhereItWas(folder))) throw folderMoved(path, "nothing was deleted");
    await removeEntry(folder.child(name), path, stats.isDirectory());
    if (!(await isWhereItWas(folder))) throw folderMoved(path, "the entry was deleted from it");
    await syncFolder(folder);
  } finally {
    await folder.close();
  }
  return Object.freeze({ deleted: true });
}

async function removeEntry(entryPath: string, path: string, isFolder: boolean): Promise<void> {
  try {
    await (isFolder ? rmdir(entryPath) : unlink(entryPath));
  } catch (error) {
    // POSIX lets rmdir(2) say either.
    if (systemCode(error) !== "EEXIST") throw error;
    throw new EffectFailedError("folder_not_empty", `\`${path}\` is a folder with something in it`);
  }
}
