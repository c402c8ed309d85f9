import type { BigIntStats } from "node:fs";
import { closeSync, fstatSync, openSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import type { ProtectedFiles, RealFile } from "../../core/ports.js";
import { systemCode } from "./fs-failure.js";

export interface ProtectedFilesOptions {
  /** Keys, blobs, the loaded policy: paths, which may be of files that do not exist yet. */
  readonly files: readonly string[];
  /** Databases: each with its `-wal`, `-shm` and `-journal`, which come and go beside it. */
  readonly databases?: readonly string[];
}

/** Protection lasts until `close`. */
export interface OpenProtectedFiles extends ProtectedFiles {
  close(): void;
}

/** A folder of this name is made by the pipeline alone; compared without case for file systems that do. */
const OWN_FOLDER = ".synapse";
const DATABASE_COMPANIONS = ["-wal", "-shm", "-journal"];
/** open(2), Linux: holds a file without opening it; closing it leaves the process' fcntl locks alone. */
const O_PATH = process.platform === "linux" ? 0o10000000 : undefined;

/**
 * Recognises the files of SEMANTICS H2 by real path, by device and inode (so through hard links and new
 * names), and by lying in a folder named `.synapse`.
 *
 * Each file is held by an O_PATH descriptor from when it is first seen: its inode number stays its own,
 * so that it is still recognised after it was renamed, and no stranger's new file is mistaken for it.
 * Where there is no O_PATH, only the file that has the path at the moment is recognised.
 * Call it after the store is open; files that appear later are picked up by the checks.
 */
export function createProtectedFiles(options: ProtectedFilesOptions): OpenProtectedFiles {
  const databases = (options.databases ?? []).flatMap(withResolved);
  const companions = databases.flatMap((path) => DATABASE_COMPANIONS.map((suffix) => path + suffix));
  const paths = new Set([...options.files.flatMap(withResolved), ...databases, ...companions]);
  const held = new Map<string, number>();

  function refresh(): Set<string> {
    const present = new Set<string>();
    for (const path of paths) {
      const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) continue;
      const identity = identityOf(stats);
      present.add(identity);
      if (O_PATH !== undefined && !held.has(identity)) hold(path, O_PATH);
    }
    return present;
  }

  function hold(path: string, flags: number): void {
    const descriptor = openIfAny(path, flags);
    if (descriptor === undefined) return;
    // Of the descriptor, not of the path: the file may have been replaced since it was looked at.
    const identity = identityOf(fstatSync(descriptor, { bigint: true }));
    if (held.has(identity)) closeSync(descriptor);
    else held.set(identity, descriptor);
  }

  /** A file without any name left can be reached by nobody; holding it would keep its space. */
  function release(): void {
    for (const [identity, descriptor] of held) {
      if (fstatSync(descriptor).nlink > 0) continue;
      closeSync(descriptor);
      held.delete(identity);
    }
  }

  refresh();
  return Object.freeze({
    covers(file: RealFile): boolean {
      if (isInOwnFolder(file.path) || paths.has(file.path)) return true;
      if (file.dev === undefined || file.ino === undefined) return false;
      release();
      const identity = identityOf({ dev: file.dev, ino: file.ino });
      return refresh().has(identity) || held.has(identity);
    },
    close() {
      for (const descriptor of held.values()) closeSync(descriptor);
      held.clear();
    },
  });
}

/** Undefined when the file went away since it was looked at, as a database's `-wal` does. */
function openIfAny(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function identityOf(file: Pick<BigIntStats, "dev" | "ino">): string {
  return `${file.dev}:${file.ino}`;
}

function isInOwnFolder(path: string): boolean {
  return path.split("/").some((segment) => segment.toLowerCase() === OWN_FOLDER);
}

/** The path where it stands and the path where it leads: a symlink to a protected file is protected too. */
function withResolved(path: string): string[] {
  const absolute = resolve(path);
  const standing = join(realpathOr(dirname(absolute)), basename(absolute));
  return [...new Set([standing, realpathOr(standing)])];
}

function realpathOr(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
}
