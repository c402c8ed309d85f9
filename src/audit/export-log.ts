import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LogImage } from "../core/log-image.js";
import { nodeTreeHasher } from "../core/tree-hasher.js";
import { writeWhole } from "../core/write-whole.js";
import { EvidenceError } from "../model/errors.js";
import { type Checkpoint, verifySuccession } from "../model/proof/checkpoint.js";
import { proveConsistency } from "../model/proof/consistency.js";
import { printEntryBundle } from "../model/proof/entry-bundle.js";
import { equalBytes } from "../model/proof/hash.js";
import type { NodeReader } from "../model/proof/subtree.js";
import { printTile, type Tile, tileHeight, tilePath, tilesOf, tileWidth } from "../model/proof/tile.js";
import { imageNodes, rootAt } from "./image-nodes.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";

export interface Exported {
  /** Events that the folder holds now. */
  readonly size: number;
  readonly files: number;
}

/**
 * Writes a log as C2SP tlog-tiles: what an earlier export into the same folder has already is left as it is.
 * Every file appears whole (temporary name, then rename) and `checkpoint` last, so an export that was killed
 * leaves the folder as the smaller log it was, and the next one goes on from there.
 *
 * @param note the signed checkpoint of what is exported.
 * @param vkey the key that signed it, for the file `vkey`.
 * @throws EvidenceError `wrong_origin`, `root_mismatch`, `checkpoint_behind` when the folder holds another log.
 */
export function exportLog(
  image: LogImage,
  keys: KeySchedule,
  target: { readonly folder: string; readonly note: string; readonly vkey: string },
  onProgress?: (done: number, of: number) => void,
): Exported {
  const read = imageNodes(image);
  const checkpoint = keys.open(target.note);
  if (!equalBytes(rootAt(read, checkpoint.size), checkpoint.root))
    throw new EvidenceError("root_mismatch", "the log's tree is not the one that its checkpoint signs", {
      hint: "`synapse audit verify` says what is wrong with the log",
    });
  const from = exportedBefore(read, keys, target.folder, checkpoint);
  removeRemains(join(target.folder, "tile"));
  let files = 0;
  let done = from;
  for (const tile of tilesOf(checkpoint.size, from)) {
    const bytes = contentOf(image, read, tile);
    const path = join(target.folder, tilePath(tile));
    // A full tile never changes: one of a run that was killed before its checkpoint need not be written again.
    if (tile.width < tileWidth || !isWritten(path, bytes)) {
      writeInFolder(path, bytes);
      files++;
    }
    if (tile.level === "entries") onProgress?.((done += tile.width), checkpoint.size);
  }
  writeInFolder(join(target.folder, "vkey"), Buffer.from(`${target.vkey}\n`));
  writeInFolder(join(target.folder, "checkpoint"), Buffer.from(target.note));
  return Object.freeze({ size: checkpoint.size, files: files + 2 });
}

/** How many events the folder holds already; it must be the beginning of this very log. */
function exportedBefore(read: NodeReader, keys: KeySchedule, folder: string, newer: Checkpoint): number {
  const file = join(folder, "checkpoint");
  if (!existsSync(file)) return 0;
  const older = keys.open(readFileSync(file));
  verifySuccession(
    nodeTreeHasher,
    older,
    newer,
    older.size === 0 || older.size > newer.size
      ? []
      : proveConsistency(nodeTreeHasher, read, older.size, newer.size),
  );
  return older.size;
}

function contentOf(image: LogImage, read: NodeReader, tile: Tile): Uint8Array {
  const { level, index, width } = tile;
  const first = index * tileWidth;
  if (level !== "entries")
    return printTile(Array.from({ length: width }, (_, i) => read(level * tileHeight, first + i)));
  const rows = image.events(first, width);
  const entries = rows.map(({ seq, doc, leaf }, i) => {
    const sound = doc !== undefined && leaf !== undefined && seq === first + i + 1;
    if (sound && equalBytes(nodeTreeHasher.leaf(doc), leaf)) return doc;
    throw new EvidenceError("entry_mismatch", `event ${first + i + 1} is not the one that was logged`, {
      seq: first + i + 1,
    });
  });
  return printEntryBundle(entries);
}

/** What exports that were killed were writing: nobody would take it for a part of the log, nor ever remove it. */
function removeRemains(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const writer = /\.tmp-([1-9][0-9]*)$/.exec(name)?.[1];
    if (writer !== undefined && !isAlive(Number(writer))) rmSync(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Not ours to signal, but there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isWritten(path: string, bytes: Uint8Array): boolean {
  return existsSync(path) && equalBytes(readFileSync(path), bytes);
}

function writeInFolder(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, bytes);
}
