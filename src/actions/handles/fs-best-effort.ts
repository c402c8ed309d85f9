import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { lstat, open, realpath } from "node:fs/promises";
import { join } from "node:path";

import { EffectFailedError } from "../../model/errors.js";
import { systemCode } from "./fs-failure.js";
import type { Confinement, Place } from "./fs-place.js";
import { isPseudoPath } from "./fs-pseudo.js";

/** macOS open(2): no symlink anywhere in the path. Other systems have no such flag. */
const O_NOFOLLOW_ANY = process.platform === "darwin" ? 0x20000000 : 0;
/** Undefined on Windows, whatever the types say. */
const O_NOFOLLOW = (constants as Partial<typeof constants>).O_NOFOLLOW ?? 0;
const O_NONBLOCK = (constants as Partial<typeof constants>).O_NONBLOCK ?? 0;

/**
 * The weaker mode of platforms that cannot say where a descriptor points (SEMANTICS H3): the path is
 * resolved, checked, and then used again by name. A process that swaps folders in between can win; one
 * that only leaves symlinks lying about cannot. Untried on macOS and Windows: the tests run it on Linux.
 *
 * Nothing is opened before it was admitted: closing any descriptor of a database file would drop the
 * locks that this process holds on it (fcntl(2), POSIX locks).
 */
export const bestEffortConfinement: Confinement = Object.freeze({
  async open(path: string, how: { folder: boolean; follow: boolean }): Promise<Place> {
    const real = how.follow ? await realpath(path) : path;
    const stats = await lstat(real, { bigint: true });
    if (how.folder && !stats.isDirectory()) {
      throw new EffectFailedError("not_a_folder", `\`${path}\` is not a folder`);
    }
    return toPlace(real, stats);
  },
});

function toPlace(path: string, stats: BigIntStats): Place {
  return Object.freeze({
    path,
    stats,
    isPseudo: () => Promise.resolve(isPseudoPath(path)),
    async reopen(flags: number) {
      const handle = await open(path, flags | O_NOFOLLOW | O_NOFOLLOW_ANY | O_NONBLOCK);
      const now = await handle.stat({ bigint: true });
      if (sameFile(now, stats)) return handle;
      await handle.close();
      throw new EffectFailedError("folder_moved", `\`${path}\` was replaced while it was being opened`);
    },
    child: (name: string) => join(path, name),
    async locate() {
      try {
        const real = await realpath(path);
        return sameFile(await lstat(real, { bigint: true }), stats) ? real : undefined;
      } catch (error) {
        if (systemCode(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    close: () => Promise.resolve(),
  });
}

function sameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
