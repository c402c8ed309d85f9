import { rename, unlink } from "node:fs/promises";

import { EffectFailedError } from "../../model/errors.js";
import { specialFile } from "./fs-admission.js";
import { afterCleanup, assertRunning, systemCode } from "./fs-failure.js";
import { openParent } from "./fs-parents.js";
import { assertReached, splitPath } from "./fs-path.js";
import type { FsUse, Place } from "./fs-place.js";
import type { Target } from "./fs-target.js";
import { admitTarget, folderMoved, isWhereItWas, statEntry, syncFolder } from "./fs-target.js";
import type { Temporary } from "./fs-temporary.js";
import { createTemporary } from "./fs-temporary.js";

/**
 * Writes a whole file so that readers see the old content or the new, never a part, and so that it is
 * durable when this resolves. The target itself is never opened: opening it would truncate, follow a
 * symlink, or wait on a FIFO before anything could be checked.
 */
export async function writeContent(
  use: FsUse,
  path: string,
  bytes: Buffer,
): Promise<{ readonly bytes_written: number }> {
  const { name } = splitPath(path);
  if (name === "") throw existsAsFolder(path);
  const parent = await openParent(use, path);
  try {
    const target = await admitTarget(use, "write", path, parent.folder, name);
    assertReplaceable(path, target);
    const temporary = await createTemporary(parent.folder);
    try {
      await temporary.fill(use, path, bytes, target.stats);
      await moveIntoPlace(use, path, parent.folder, name, target, temporary);
    } catch (error) {
      throw await afterCleanup(error, path, () => temporary.remove());
    }
  } catch (error) {
    throw await afterCleanup(error, path, () => parent.undo());
  } finally {
    await parent.close();
  }
  return Object.freeze({ bytes_written: bytes.length });
}

function assertReplaceable(path: string, { stats }: Target): void {
  if (stats === undefined || stats.isFile() || stats.isSymbolicLink()) return;
  throw stats.isDirectory() ? existsAsFolder(path) : specialFile(path);
}

async function moveIntoPlace(
  use: FsUse,
  path: string,
  folder: Place,
  name: string,
  target: Target,
  temporary: Temporary,
): Promise<void> {
  assertRunning(use.signal, path);
  // Writing took its time: the authority may have ended, and the folder may have been taken elsewhere.
  assertReached(use.grant, "write", target.realPath);
  if (!(await isWhereItWas(folder))) throw folderMoved(path, "nothing was written");
  try {
    await rename(temporary.path, folder.child(name));
  } catch (error) {
    if (["EISDIR", "ENOTEMPTY", "EEXIST"].includes(systemCode(error) ?? "")) throw existsAsFolder(path);
    throw error;
  }
  if (!(await isWhereItWas(folder))) throw await undoMove(path, folder, name, target, temporary);
  await syncFolder(folder);
}

/**
 * The folder was taken elsewhere between two system calls. Nothing outside was reached: the folder is
 * the one that was checked, and whoever moves it could have done so a moment later. A new file is taken
 * back; a replaced one is not, since its old content is gone and no content would be worse.
 */
async function undoMove(
  path: string,
  folder: Place,
  name: string,
  target: Target,
  temporary: Temporary,
): Promise<EffectFailedError> {
  if (target.stats !== undefined) return folderMoved(path, "the new content went with it");
  const now = await statEntry(folder, name);
  if (now === undefined || now.ino !== temporary.ino) return folderMoved(path, "the new file went with it");
  await unlink(folder.child(name));
  return folderMoved(path, "the new file was removed again");
}

function existsAsFolder(path: string): EffectFailedError {
  return new EffectFailedError("exists_as_folder", `\`${path}\` is a folder`, {
    hint: "write a file inside it, or delete the folder first when it is empty",
  });
}
