import { EvidenceError } from "../errors.js";
import { type Tile, tilePath } from "./tile.js";

/** Largest entry, in bytes: its length is written in 16 bits (C2SP tlog-tiles). */
export const entryBytesMax = 0xffff;

/** Entries one after the other, each after its length as a big-endian 16-bit number. */
export function printEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > entryBytesMax) throw new RangeError(`an entry has at most ${entryBytesMax} bytes`);
    view.setUint16(at, entry.length);
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** @throws EvidenceError `malformed_tile` when the bytes are not exactly `width` entries. */
export function parseEntryBundle(tile: Tile, bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + 2;
    const end = start <= bytes.length ? start + view.getUint16(at) : Infinity;
    if (end > bytes.length) throw malformed(tile, `breaks off inside its entry ${entries.length + 1}`);
    entries.push(bytes.subarray(start, end));
    at = end;
  }
  if (entries.length !== tile.width)
    throw malformed(tile, `has ${entries.length} entries, not ${tile.width}`);
  return entries;
}

function malformed(tile: Tile, why: string): EvidenceError {
  const path = tilePath(tile);
  return new EvidenceError("malformed_tile", `\`${path}\` ${why}`, { path });
}
