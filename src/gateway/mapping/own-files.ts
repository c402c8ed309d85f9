import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { createProtectedFiles } from "../../actions/handles/protected-files.js";
import type { StoreDriver } from "../../core/store.js";

/** The files that make the gateway one: no argument of a call may name them, whatever is granted (SEMANTICS H2). */
export interface OwnFiles {
  /** @param place absolute; links in it were followed. */
  isOwn(place: string): Promise<boolean>;
  /** Whether one of them lies below a folder. */
  isAbove(place: string): boolean;
  close(): void;
}

/** The database, its keys, applied policies, and `files`. */
export function ownFilesOf(driver: StoreDriver, files: readonly string[]): OwnFiles {
  const databases = driver.location === ":memory:" ? [] : [resolve(driver.location)];
  const others = [...driver.keyFiles(), ...driver.policyFiles(), ...files].map((file) => resolve(file));
  const open = createProtectedFiles({ databases, files: others });
  return Object.freeze({
    async isOwn(place: string): Promise<boolean> {
      const stats = await stat(place, { bigint: true }).catch(() => undefined);
      return open.covers(
        stats === undefined ? { path: place } : { path: place, dev: stats.dev, ino: stats.ino },
      );
    },
    isAbove: (place: string) =>
      [...databases, ...others].some((file) => file.startsWith(place === "/" ? "/" : `${place}/`)),
    close: () => open.close(),
  });
}
