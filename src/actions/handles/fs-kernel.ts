import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { lstat, open, readlink, statfs } from "node:fs/promises";

import { EffectDeniedError, EffectFailedError } from "../../model/errors.js";
import { systemCode } from "./fs-failure.js";
import { outsideAuthority } from "./fs-path.js";
import type { Confinement, Place } from "./fs-place.js";
import { isPseudoFileSystem, isPseudoPath } from "./fs-pseudo.js";

/** open(2): a descriptor that names a file without opening it. Node has no constant for it. */
const O_PATH = 0o10000000;
/** statfs(2) type of procfs. */
const PROC_SUPER_MAGIC = 0x9fa0;
/** A file that others replace all the time is found within a few tries; a deleted one never is. */
const TRIES_MAX = 64;

const SLASH = 0x2f;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Confinement by the Linux kernel (SEMANTICS H3): open with O_PATH, then ask where the *descriptor*
 * points. A path that is checked and then used again is a race; a descriptor cannot be swapped.
 */
export const kernelConfinement: Confinement = Object.freeze({ open: openPlace });

async function openPlace(path: string, how: { folder: boolean; follow: boolean }): Promise<Place> {
  await assertProcMounted();
  const flags = O_PATH | (how.folder ? constants.O_DIRECTORY : 0) | (how.follow ? 0 : constants.O_NOFOLLOW);
  let deleted = false;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const handle = await open(path, flags);
    let found: Named | "deleted" | "nameless" | undefined;
    try {
      found = await nameOf(handle);
      if (typeof found === "object") return toPlace(handle, found);
    } finally {
      if (typeof found !== "object") await handle.close();
    }
    deleted = found === "deleted";
  }
  if (deleted) throw new EffectFailedError("not_found", `\`${path}\` leads to a file that has been deleted`);
  throw outsideAuthority();
}

interface Named {
  readonly path: string;
  readonly stats: BigIntStats;
}

/**
 * The name the kernel gives the descriptor, if it is a name in our own view. The look-up of that name
 * must end at the same file: the kernel writes ` (deleted)` behind the name of a removed hard link and
 * names files of other mount namespaces (`/proc/<pid>/root/…`) as if they were in ours.
 */
async function nameOf(handle: FileHandle): Promise<Named | "deleted" | "nameless"> {
  const link = await readlink(descriptorPath(handle), { encoding: "buffer" });
  if (link[0] !== SLASH)
    throw new EffectDeniedError("special_file", "the path leads to a pipe, socket or the like");
  const stats = await handle.stat({ bigint: true });
  if (stats.nlink === 0n) return "deleted";
  const path = decodePath(link);
  const named = await lstatIfAny(path);
  if (named === undefined || named.dev !== stats.dev || named.ino !== stats.ino) return "nameless";
  return { path, stats };
}

function toPlace(handle: FileHandle, { path, stats }: Named): Place {
  const self = descriptorPath(handle);
  return Object.freeze({
    path,
    stats,
    isPseudo: async () => isPseudoPath(path) || (await isPseudoFileSystem(self)),
    // O_NONBLOCK: a stranger's lease on the file makes open(2) wait for up to 45 seconds, in one of the
    // few threads that serve all files.
    reopen: (flags: number) => open(self, flags | constants.O_NONBLOCK),
    child: (name: string) => `${self}/${name}`,
    locate: async () => {
      const now = await nameOf(handle);
      return typeof now === "object" ? now.path : undefined;
    },
    close: () => handle.close(),
  });
}

function descriptorPath(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

/** SEMANTICS C5: a path that is not valid UTF-8 is outside. Decoding it loosely would make two files one. */
function decodePath(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw outsideAuthority();
  }
}

async function lstatIfAny(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

let procMounted = false;

/** Without a real procfs nothing can be asked, and a weaker way would be a silent one: refused instead. */
async function assertProcMounted(): Promise<void> {
  if (procMounted) return;
  const type = await statfs("/proc/self/fd").then(
    (found) => found.type,
    (error: unknown) => {
      if (systemCode(error) === undefined) throw error;
      return undefined;
    },
  );
  if (type !== PROC_SUPER_MAGIC) {
    throw new EffectFailedError(
      "confinement_unavailable",
      "files cannot be confined since `/proc` is not mounted",
      {
        hint: "mount procfs at /proc",
      },
    );
  }
  procMounted = true;
}
