import type { EffectGate, EffectGrant, FsHandle, ProtectedFiles } from "../../core/ports.js";
import { capability } from "../../model/capability/index.js";
import type { JsonValue } from "../../model/json.js";
import { platformConfinement } from "./fs-confinement.js";
import { parseContent } from "./fs-content.js";
import { deleteEntry } from "./fs-delete.js";
import { assertRunning, toFsFailure } from "./fs-failure.js";
import { listFolder } from "./fs-list.js";
import type { FsAction } from "./fs-path.js";
import { parsePath } from "./fs-path.js";
import type { Confinement, FsUse } from "./fs-place.js";
import { readContent } from "./fs-read.js";
import { writeContent } from "./fs-write.js";

export interface FsHandleOptions {
  /** Files that no capability reaches (SEMANTICS H2). */
  readonly protectedFiles: ProtectedFiles;
  /** Most bytes of one read or write; default 16 MiB. What the grant allows may be less. */
  readonly fileBytesMax?: number;
}

const FILE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The `fs` powers of one step (SEMANTICS H1-H3). Every method rejects with
 * - InvalidDataError `invalid_data` or CapabilitySyntaxError `invalid_capability` for arguments that are
 *   no path or no content: such a call is no use yet and never reaches the gate;
 * - EffectDeniedError `outside_authority`, `protected_file`, `special_file`, or what else the gate says;
 * - EffectFailedError `not_found`, `not_a_file`, `not_a_folder`, `folder_not_empty`, `too_large`,
 *   `exists_as_folder`, `permission_denied`, `disk_full`, `read_only`, `io_error`, `folder_moved`,
 *   `cancelled`, `confinement_unavailable`.
 *
 * Residue: a hard link that someone else made inside an allowed folder gives the file it links, since the
 * kernel names it by that link. Protected files are recognised by inode and are not reached this way.
 */
export function createFsHandle(gate: EffectGate, options: FsHandleOptions): FsHandle {
  return createConfinedFsHandle(platformConfinement(), gate, options);
}

/** `createFsHandle` with the confinement chosen by the caller: how the weaker mode is tested on Linux. */
export function createConfinedFsHandle(
  confinement: Confinement,
  gate: EffectGate,
  options: FsHandleOptions,
): FsHandle {
  const { protectedFiles, fileBytesMax = FILE_BYTES_MAX } = options;

  function perform<T extends object>(
    action: FsAction,
    path: string,
    request: JsonValue,
    body: (use: FsUse) => Promise<T>,
  ): Promise<T> {
    const capabilities = [capability("fs", action, path)];
    return gate.perform({ kind: `fs.${action}`, capabilities, request }, async (grant: EffectGrant) => {
      try {
        assertRunning(gate.signal, path);
        const bytesMax = Math.min(fileBytesMax, grant.bytesMax);
        return await body({ confinement, grant, signal: gate.signal, protectedFiles, bytesMax });
      } catch (error) {
        throw toFsFailure(error, path);
      }
    });
  }

  return Object.freeze({
    async read(given: string) {
      const path = parsePath(given);
      return perform("read", path, { path }, (use) => readContent(use, path));
    },
    async write(given: string, content: unknown) {
      const path = parsePath(given);
      const { bytes, journalled } = parseContent(content, fileBytesMax);
      return perform("write", path, { path, content: journalled }, (use) => writeContent(use, path, bytes));
    },
    async list(given: string) {
      const path = parsePath(given);
      return perform("list", path, { path }, (use) => listFolder(use, path));
    },
    async delete(given: string) {
      const path = parsePath(given);
      return perform("delete", path, { path }, (use) => deleteEntry(use, path));
    },
  });
}
