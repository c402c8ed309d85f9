import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, unlink } from "node:fs/promises";

import { assertRunning, systemCode } from "./fs-failure.js";
import type { FsUse, Place } from "./fs-place.js";

const CHUNK_BYTES = 1024 * 1024;
/**
 * Read, write and execute for owner, group and others. Set-user-id, set-group-id and sticky are not
 * kept: content that an agent wrote must not run with the rights of the file's owner.
 */
const MODE_KEPT = 0o777n;
/** Undefined on Windows, whatever the types say. */
const O_NOFOLLOW = (constants as Partial<typeof constants>).O_NOFOLLOW ?? 0;
const CREATE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | O_NOFOLLOW;

/** A file that belongs to one write, beside the file that it will become. */
export interface Temporary {
  readonly path: string;
  readonly ino: bigint;
  /** Writes all bytes durably, with the mode of the replaced file and, where allowed, its owner. */
  fill(use: FsUse, path: string, bytes: Buffer, replaced: BigIntStats | undefined): Promise<void>;
  /** Whether it is still there or has been renamed makes no difference. */
  remove(): Promise<void>;
}

/** 128 random bits in the name, and O_EXCL: nobody can lay a file or symlink in its way. */
export async function createTemporary(folder: Place): Promise<Temporary> {
  const temporaryPath = folder.child(`.synapse-tmp-${randomBytes(16).toString("hex")}`);
  const file = await open(temporaryPath, CREATE_NEW, 0o600);
  const remove = async (): Promise<void> => {
    try {
      await unlink(temporaryPath);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  };
  try {
    const { ino } = await file.stat({ bigint: true });
    return {
      path: temporaryPath,
      ino,
      remove,
      async fill(use, path, bytes, replaced) {
        try {
          await writeAll(use, path, file, bytes);
          if (replaced?.isFile() === true) await keepAttributes(file, replaced);
          await file.sync();
        } finally {
          await file.close();
        }
      },
    };
  } catch (error) {
    await file.close();
    await remove();
    throw error;
  }
}

async function writeAll(use: FsUse, path: string, file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    assertRunning(use.signal, path);
    const { bytesWritten } = await file.write(bytes, done, Math.min(CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}

async function keepAttributes(file: FileHandle, replaced: BigIntStats): Promise<void> {
  const made = await file.stat();
  const uid = Number(replaced.uid);
  const gid = Number(replaced.gid);
  if (made.uid !== uid || made.gid !== gid) {
    // Only root gives files away; a group may be kept by its members. Neither is a reason not to write.
    if (!(await mayChown(file, uid, gid))) await mayChown(file, made.uid, gid);
  }
  await file.chmod(Number(replaced.mode & MODE_KEPT));
}

async function mayChown(file: FileHandle, uid: number, gid: number): Promise<boolean> {
  try {
    await file.chown(uid, gid);
    return true;
  } catch (error) {
    if (systemCode(error) === "EPERM") return false;
    throw error;
  }
}
