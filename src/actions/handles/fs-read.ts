import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";

import type { Content } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";
import { toContent } from "./content.js";
import { openAdmitted } from "./fs-admission.js";
import { assertRunning } from "./fs-failure.js";
import type { FsUse } from "./fs-place.js";

const CHUNK_BYTES = 256 * 1024;

/** The whole content of a regular file of at most `use.bytesMax` bytes. */
export async function readContent(use: FsUse, path: string): Promise<Content> {
  const place = await openAdmitted(use, "read", path, { folder: false });
  try {
    if (!place.stats.isFile()) throw new EffectFailedError("not_a_file", `\`${path}\` is a folder`);
    if (place.stats.size > BigInt(use.bytesMax)) throw tooLarge(path, use.bytesMax);
    const file = await place.reopen(constants.O_RDONLY);
    try {
      return Object.freeze(toContent(await readBounded(use, path, file, Number(place.stats.size))));
    } finally {
      await file.close();
    }
  } finally {
    await place.close();
  }
}

/** Reads to the end and not by the size that was stated: the file may grow meanwhile, without end. */
async function readBounded(use: FsUse, path: string, file: FileHandle, sizeHint: number): Promise<Buffer> {
  // One byte more than stated shows the end of a file of that size without a second buffer.
  let buffer = Buffer.allocUnsafe(sizeHint + 1);
  let length = 0;
  for (;;) {
    assertRunning(use.signal, path);
    if (length === buffer.length) buffer = grow(buffer, use.bytesMax + 1);
    const wanted = Math.min(CHUNK_BYTES, buffer.length - length);
    const { bytesRead } = await file.read(buffer, length, wanted, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
    if (length > use.bytesMax) throw tooLarge(path, use.bytesMax);
  }
}

function grow(buffer: Buffer, bytesMax: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(buffer.length * 2, CHUNK_BYTES)));
  buffer.copy(larger);
  return larger;
}

function tooLarge(path: string, bytesMax: number): EffectFailedError {
  return new EffectFailedError("too_large", `\`${path}\` has more than ${bytesMax} bytes`);
}
