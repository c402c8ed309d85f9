import { EvidenceError } from "../errors.js";
import { hashBytes, isCount } from "./hash.js";

/** Hashes in a full tile, entries in a full bundle (C2SP tlog-tiles). */
export const tileWidth = 256;

/** Height of a tile in levels of the tree: 2^8 = 256. */
export const tileHeight = 8;

/** A file of an exported log: hashes of one level of tiles, or the entries below a tile of level 0. */
export interface Tile {
  /** 0 holds leaf hashes; each hash of level l + 1 is the root of a full tile of level l. */
  readonly level: number | "entries";
  /** Position within the level, from 0. */
  readonly index: number;
  /** Number of hashes or entries, 1 to 256. */
  readonly width: number;
}

const levelMax = 63;

/** `tile/<level>/x001/x234/067`, with `.p/<width>` for a partial tile. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? [];
  const place = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${level}/${place}${width === tileWidth ? "" : `.p/${width}`}`;
}

/** @throws EvidenceError `malformed_tile` for anything that `tilePath` would not print. */
export function parseTilePath(path: string): Tile {
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(
    path,
  );
  if (match !== null) {
    const [, level = "", place = "", width] = match;
    const tile: Tile = {
      level: level === "entries" ? level : Number(level),
      index: Number(place.replaceAll(/[x/]/g, "")),
      width: width === undefined ? tileWidth : Number(width),
    };
    const inRange =
      isCount(tile.index) && tile.width >= 1 && (tile.level === "entries" || tile.level <= levelMax);
    // One file, one spelling: leading zeroes or `.p/256` would let two paths mean the same tile.
    if (inRange && tilePath(tile) === path) return Object.freeze(tile);
  }
  throw new EvidenceError("malformed_tile", `\`${path.slice(0, 200)}\` is not the path of a tile`, { path });
}

/**
 * The tiles of a log of `size` entries that a log of `from` entries did not have: full ones, and the partial
 * one at the end of each level. Bundles first, then hashes, lower levels first.
 */
export function* tilesOf(size: number, from = 0): Generator<Tile> {
  for (const level of ["entries", ...levelsOf(size)] as const) {
    const count = hashesAt(level, size);
    const had = hashesAt(level, from);
    if (had >= count) continue;
    for (let index = Math.floor(had / tileWidth); index * tileWidth < count; index++) {
      yield Object.freeze({ level, index, width: Math.min(tileWidth, count - index * tileWidth) });
    }
  }
}

/** The partial tiles of a log of `size` entries: with them its root can be computed. Lower levels first. */
export function edgeTilesOf(size: number): Tile[] {
  return levelsOf(size).flatMap((level) => {
    const count = hashesAt(level, size);
    const width = count % tileWidth;
    return width === 0 ? [] : [Object.freeze({ level, index: Math.floor(count / tileWidth), width })];
  });
}

/** How many hashes (or entries) a log of `size` entries has at a level. */
export function hashesAt(level: Tile["level"], size: number): number {
  return level === "entries" ? size : Math.floor(size / tileWidth ** level);
}

/** @throws EvidenceError `malformed_tile` when the bytes are not `width` hashes. */
export function parseTile(tile: Tile, bytes: Uint8Array): Uint8Array[] {
  if (bytes.length !== tile.width * hashBytes) {
    const path = tilePath(tile);
    const why = `\`${path}\` has ${bytes.length} bytes, not ${tile.width * hashBytes}`;
    throw new EvidenceError("malformed_tile", why, { path });
  }
  // A copy: whoever read the file must not be able to change it after it was verified.
  const own = Uint8Array.from(bytes);
  return Array.from({ length: tile.width }, (_, i) => own.subarray(i * hashBytes, (i + 1) * hashBytes));
}

/** The content of a tile: its hashes one after the other. */
export function printTile(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes);
  hashes.forEach((hash, i) => bytes.set(hash, i * hashBytes));
  return bytes;
}

function levelsOf(size: number): number[] {
  const levels: number[] = [];
  for (let level = 0; hashesAt(level, size) > 0; level++) levels.push(level);
  return levels;
}
