import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";

import type { EffectGrant, ProtectedFiles } from "../../core/ports.js";

/**
 * A file or folder that was found without touching it, with the name it really has.
 *
 * Everything later goes through this object and never through the path that was asked for: between two
 * look-ups of one path another process can put a symlink there.
 */
export interface Place {
  /** Absolute, without symlinks, `.` or `..`: what authority is checked against. */
  readonly path: string;
  readonly stats: BigIntStats;
  /** Whether it lies where files are doors into the kernel or devices instead of content. */
  isPseudo(): Promise<boolean>;
  /** Opens this very file or folder for real. Flags are those of open(2); never blocks on a lease. */
  reopen(flags: number): Promise<FileHandle>;
  /** Path at which an entry of this folder is reached without resolving the folder's own name again. */
  child(name: string): string;
  /** The name it has now; undefined when it was deleted or has no name any more. */
  locate(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** How places are found: by asking the kernel, or as well as the platform can. */
export interface Confinement {
  /**
   * Follows symlinks (the last one too unless `follow` is false) and says where it ended. Opens no file
   * for real: no FIFO has its writer woken, no device is touched. Rejects with the system's own errors,
   * with EffectDeniedError `special_file` or `outside_authority` when there is no path for what was
   * found, and with EffectFailedError `not_found` for a deleted file.
   */
  open(path: string, how: { readonly folder: boolean; readonly follow: boolean }): Promise<Place>;
}

/** What one use of the handle works with. */
export interface FsUse {
  readonly confinement: Confinement;
  readonly grant: EffectGrant;
  readonly signal: AbortSignal;
  readonly protectedFiles: ProtectedFiles;
  /** Most bytes that this use reads into memory. */
  readonly bytesMax: number;
}
