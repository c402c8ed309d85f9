import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, realpath, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SynapseError } from "../../model/errors.js";

/** A client's configuration as it is on disk. */
export interface ConfigFile {
  /** Absolute and real: where a symbolic link leads, since it is that file which is replaced and not the link. */
  readonly path: string;
  /** As the person named it. */
  readonly name: string;
  readonly bytes: Buffer;
  /** Without the byte order mark. */
  readonly text: string;
  readonly hasByteOrderMark: boolean;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Claude Code keeps histories in the same file as its servers. */
const bytesMax = 64 * 1024 * 1024;
const byteOrderMark = "\ufeff";
const backupsMax = 1_000;

/** @throws SynapseError `unreadable_file`. */
export async function readConfigFile(path: string, name: string): Promise<ConfigFile> {
  try {
    const real = await realpath(path);
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw unreadable(name, "it is not a regular file");
      if (stats.size > bytesMax) throw unreadable(name, "it is larger than 64 MiB");
      const bytes = await file.readFile();
      const text = decode(bytes, name);
      const hasByteOrderMark = text.startsWith(byteOrderMark);
      return Object.freeze({
        path: real,
        name,
        bytes,
        text: hasByteOrderMark ? text.slice(byteOrderMark.length) : text,
        hasByteOrderMark,
        mode: stats.mode & 0o7777,
        owner: Object.freeze({ uid: stats.uid, gid: stats.gid }),
      });
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof SynapseError ? error : unreadable(name, reasonOf(error), error);
  }
}

/**
 * Replaces the file as a whole: a reader sees the old or the new one, also after a crash. Mode and owner are kept,
 * and with `backup` a copy of the old one stands beside it first.
 *
 * @returns the backup's path.
 * @throws SynapseError `unwritable_file`; `file_changed` when somebody wrote the file since it was read. Between
 * that check and the replacement is an instant in which a running client could still write: clients take no locks.
 */
export async function replaceConfigFile(
  file: ConfigFile,
  text: string,
  { backup }: { readonly backup: boolean },
): Promise<string | undefined> {
  const temporary = join(dirname(file.path), `.${basename(file.path)}.${randomBytes(8).toString("hex")}.tmp`);
  try {
    const saved = backup ? await backUp(file) : undefined;
    await writeNew(temporary, Buffer.from((file.hasByteOrderMark ? byteOrderMark : "") + text), file);
    try {
      await assertUnchanged(file);
      await rename(temporary, file.path);
    } catch (error) {
      await unlink(temporary);
      throw error;
    }
    await syncFolder(dirname(file.path));
    return saved;
  } catch (error) {
    if (error instanceof SynapseError) throw error;
    throw new SynapseError(
      "unwritable_file",
      `the file \`${file.name}\` cannot be replaced: ${reasonOf(error)}`,
      {
        hint: "the file is as it was",
        cause: error,
      },
    );
  }
}

/** The first free name, so that no backup is ever overwritten; an equal one that is there already will do. */
async function backUp(file: ConfigFile): Promise<string> {
  for (let number = 1; number <= backupsMax; number++) {
    const path = `${file.path}.synapse-backup${number === 1 ? "" : `-${number}`}`;
    try {
      await writeNew(path, file.bytes, file);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (await holds(path, file.bytes)) return path;
    }
  }
  throw new SynapseError("unwritable_file", `there are ${backupsMax} backups of \`${file.name}\``, {
    hint: "remove those that are not needed",
  });
}

/** Durable when it returns. Nobody but the owner can read it before it has its owner and mode. */
async function writeNew(path: string, bytes: Buffer, { mode, owner }: ConfigFile): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.writeFile(bytes);
    await keepOwner(file, owner);
    await file.chmod(mode);
    await file.sync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

/** Run by root on somebody's file, the client must still be able to read what is put in its place. */
async function keepOwner(file: FileHandle, { uid, gid }: ConfigFile["owner"]): Promise<void> {
  const stats = await file.stat();
  if (stats.uid !== uid || stats.gid !== gid) await file.chown(uid, gid);
}

async function assertUnchanged(file: ConfigFile): Promise<void> {
  if (await holds(file.path, file.bytes)) return;
  throw new SynapseError(
    "file_changed",
    `somebody changed \`${file.name}\` meanwhile, so nothing was written`,
    {
      hint: "close the client and try again",
    },
  );
}

/** Whether the path is a regular file with exactly these bytes. */
async function holds(path: string, bytes: Buffer): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    return stats.isFile() && stats.size === bytes.length && bytes.equals(await file.readFile());
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw unreadable(name, "it is not UTF-8 text", error);
  }
}

function unreadable(name: string, why: string, cause?: unknown): SynapseError {
  return new SynapseError("unreadable_file", `the file \`${name}\` cannot be read: ${why}`, {
    hint: "give the path of the client's configuration",
    cause,
  });
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ENOENT" ? "there is no such file" : message;
}
