import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";

import type { FsHandle } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";
import { openAdmitted } from "./fs-admission.js";
import { assertRunning } from "./fs-failure.js";
import type { FsUse } from "./fs-place.js";

type Listing = Awaited<ReturnType<FsHandle["list"]>>;
type Entry = Listing["entries"][number];

/** More entries than this are refused, so that a hostile folder cannot fill the memory. */
const ENTRIES_MAX = 100_000;
const ENTRIES_PER_READ = 256;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Names and types of a folder's entries; nothing is opened or followed. Names of protected files appear:
 * a name gives no content, and a folder that seems empty but cannot be deleted would be a riddle.
 */
export async function listFolder(use: FsUse, path: string): Promise<Listing> {
  const place = await openAdmitted(use, "list", path, { folder: true });
  try {
    return await readEntries(use, path, place.child("."));
  } finally {
    await place.close();
  }
}

async function readEntries(use: FsUse, path: string, folderPath: string): Promise<Listing> {
  const found: { readonly bytes: Buffer; readonly entry: Entry }[] = [];
  let seen = 0;
  let unreadable = 0;
  // "buffer": a loose decoding would give two entries one name. The types do not know that opendir takes it.
  const folder = await opendir(folderPath, {
    encoding: "buffer" as BufferEncoding,
    bufferSize: ENTRIES_PER_READ,
  });
  for await (const dirent of folder) {
    if (seen % ENTRIES_PER_READ === 0) assertRunning(use.signal, path);
    seen += 1;
    if (seen > ENTRIES_MAX) {
      throw new EffectFailedError("too_large", `\`${path}\` has more than ${ENTRIES_MAX} entries`);
    }
    const bytes = dirent.name as unknown as Buffer;
    const name = decodeName(bytes);
    if (name === undefined) unreadable += 1;
    else found.push({ bytes, entry: Object.freeze({ name, type: typeOf(dirent) }) });
  }
  found.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  return Object.freeze({
    entries: Object.freeze(found.map(({ entry }) => entry)),
    unreadable_names: unreadable,
  });
}

function decodeName(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function typeOf(dirent: Dirent): Entry["type"] {
  if (dirent.isFile()) return "file";
  if (dirent.isDirectory()) return "folder";
  return dirent.isSymbolicLink() ? "symlink" : "other";
}
