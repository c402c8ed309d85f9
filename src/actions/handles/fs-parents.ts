import { mkdir, rmdir } from "node:fs/promises";

import { EffectFailedError } from "../../model/errors.js";
import { assertNotProtected, specialFile } from "./fs-admission.js";
import { afterCleanup, assertRunning, systemCode } from "./fs-failure.js";
import { assertReached, joinPath, splitPath, toReachedCapability } from "./fs-path.js";
import type { FsUse, Place } from "./fs-place.js";
import { isPseudoPath } from "./fs-pseudo.js";
import { folderMoved, isWhereItWas, syncFolder } from "./fs-target.js";

/** The folder that a file is written to, and the folders that were made on the way. */
export interface ParentFolder {
  readonly folder: Place;
  /** Removes what was made, innermost first, as far as it is still empty. */
  undo(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Finds the folder of `path` for a write and makes what is missing of it (SEMANTICS H3), each folder
 * relative to the descriptor of the one above and only if the binding covers it. All of that is decided
 * before the first one is made.
 */
export async function openParent(use: FsUse, path: string): Promise<ParentFolder> {
  const { parent, name } = splitPath(path);
  const { folder, missing } = await openDeepest(use, parent);
  const places = [folder];
  const made: { readonly within: Place; readonly name: string }[] = [];
  const close = async (): Promise<void> => {
    for (const place of places) await place.close();
  };
  const undo = async (): Promise<void> => {
    for (const entry of made.reverse()) await removeIfEmpty(entry.within, entry.name);
  };
  try {
    await assertMayMake(use, path, folder, missing, name);
    let within = folder;
    for (const next of missing) {
      assertRunning(use.signal, path);
      if (!(await isWhereItWas(within))) throw folderMoved(path, "nothing was written");
      if (await makeFolder(within, next)) made.push({ within, name: next });
      const child = await use.confinement.open(within.child(next), { folder: true, follow: false });
      places.push(child);
      if (child.path !== joinPath(within.path, next)) throw folderMoved(path, "nothing was written");
      await syncFolder(within);
      within = child;
    }
    return { folder: within, undo, close };
  } catch (error) {
    const failure = await afterCleanup(error, path, undo);
    await close();
    throw failure;
  }
}

/** The deepest folder of `path` that exists, and the names that are missing below it. */
async function openDeepest(use: FsUse, path: string): Promise<{ folder: Place; missing: readonly string[] }> {
  const missing: string[] = [];
  for (let at = path; ;) {
    try {
      return { folder: await use.confinement.open(at, { folder: true, follow: true }), missing };
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || at === "/") throw error;
    }
    const { parent, name } = splitPath(at);
    missing.unshift(name);
    at = parent;
  }
}

async function assertMayMake(
  use: FsUse,
  path: string,
  folder: Place,
  missing: readonly string[],
  name: string,
): Promise<void> {
  if (missing.length === 0) return;
  const target = [...missing, name].reduce(joinPath, folder.path);
  assertReached(use.grant, "write", target);
  if (isPseudoPath(target) || (await folder.isPseudo())) throw specialFile(path);
  assertNotProtected(use, path, { path: target });
  let made = folder.path;
  for (const next of missing) {
    made = joinPath(made, next);
    assertNotProtected(use, path, { path: made });
    if (use.grant.withinBinding(toReachedCapability("write", made))) continue;
    throw new EffectFailedError("not_found", `\`${path}\` is in a folder that does not exist`, {
      hint: "make the folder, or cover it by the capability and the scope of the binding as well as the file",
    });
  }
}

/** False when somebody else made it first. A symlink there is found by opening without following it. */
async function makeFolder(within: Place, name: string): Promise<boolean> {
  try {
    await mkdir(within.child(name), { mode: 0o700 });
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function removeIfEmpty(within: Place, name: string): Promise<void> {
  try {
    await rmdir(within.child(name));
  } catch (error) {
    // Somebody put something into it, or took it away: then it is no longer ours to remove.
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(systemCode(error) ?? "")) throw error;
  }
}
