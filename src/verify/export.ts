import { EvidenceError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { type Checkpoint, openCheckpoint } from "../model/proof/checkpoint.js";
import { appendLeaf, type CompactRange, emptyRange, rangeRoot } from "../model/proof/compact-range.js";
import { parseEntryBundle } from "../model/proof/entry-bundle.js";
import { parseEntry } from "../model/proof/entry.js";
import { type GrammarChecker, grammarChecker } from "../model/proof/grammar.js";
import { equalBytes, hashBytes, type TreeHasher } from "../model/proof/hash.js";
import { type HashTile, TileTree } from "../model/proof/tile-tree.js";
import { OlderCheckpoint, type Trust } from "./older-checkpoint.js";
import { edgeTilesOf, type Tile, tilePath, tileWidth } from "../model/proof/tile.js";

/** Gives a file of an export by its path below the export's folder, `/` between parts; rejects when there is none. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/** What an export proved to be. */
export interface VerifiedExport {
  readonly checkpoint: Checkpoint;
  /** The older checkpoint that it was compared with. */
  readonly against: Checkpoint | undefined;
  /** The last event; undefined when there are none. */
  readonly last: AuditEvent | undefined;
}

export interface ExportCheck extends Trust {
  readonly hasher: TreeHasher;
  readonly against: string | Uint8Array | undefined;
  readonly onProgress: ((done: number, size: number) => void) | undefined;
}

/**
 * Verifies an exported log from its checkpoint down to every entry (C2SP tlog-tiles). Each hash tile is
 * verified against the one above it and the top against the signed root before any entry is looked at, so that
 * the first entry that does not match its hash is the one that was changed, and not its hash.
 */
export async function verifyExportWith(readFile: ReadFile, check: ExportCheck): Promise<VerifiedExport> {
  const { hasher, verifiers, origin } = check;
  const checkpoint = openCheckpoint(await read(readFile, "checkpoint"), verifiers, origin);
  const older =
    check.against === undefined ? undefined : new OlderCheckpoint(check.against, check, checkpoint);
  const tree = await openTree(readFile, hasher, checkpoint);
  const entries = new EntryCheck(hasher, older);
  const bundles = Math.ceil(checkpoint.size / tileWidth);
  for (let index = 0; index < bundles; index++) {
    const width = Math.min(tileWidth, checkpoint.size - index * tileWidth);
    const tile: HashTile = { level: 0, index, width };
    for (const needed of tree.tilesFor([{ level: 0, index: index * tileWidth }])) {
      tree.admit(needed, await readTile(readFile, needed));
    }
    const bundle: Tile = { level: "entries", index, width };
    entries.take(bundle, await readBundle(readFile, bundle), tree.hashes(tile));
    tree.release(tile);
    check.onProgress?.(entries.size, checkpoint.size);
  }
  entries.end(checkpoint);
  return Object.freeze({ checkpoint, against: older?.end(checkpoint), last: entries.last });
}

async function openTree(readFile: ReadFile, hasher: TreeHasher, checkpoint: Checkpoint): Promise<TileTree> {
  const edge = new Map<string, Uint8Array>();
  for (const tile of edgeTilesOf(checkpoint.size)) edge.set(tilePath(tile), await readTile(readFile, tile));
  return new TileTree(hasher, checkpoint, (tile) => edge.get(tilePath(tile)) as Uint8Array);
}

/** Goes through the entries in order: hash, form, place in the log, and the roots they add up to. */
class EntryCheck {
  readonly #hasher: TreeHasher;
  readonly #older: OlderCheckpoint | undefined;
  readonly #grammar: GrammarChecker = grammarChecker();
  #range: CompactRange = emptyRange();
  last: AuditEvent | undefined;

  constructor(hasher: TreeHasher, older: OlderCheckpoint | undefined) {
    this.#hasher = hasher;
    this.#older = older;
    this.#compare();
  }

  get size(): number {
    return this.#range.end;
  }

  take(bundle: Tile, bytes: Uint8Array, hashes: readonly Uint8Array[]): void {
    parseEntryBundle(bundle, bytes).forEach((entry, i) => {
      const seq = this.size + 1;
      const leaf = this.#hasher.leaf(entry);
      if (!equalBytes(leaf, hashes[i] as Uint8Array)) {
        const path = tilePath(bundle);
        throw new EvidenceError(
          "entry_mismatch",
          `event ${seq} in \`${path}\` is not the one that was logged`,
          { seq, path },
        );
      }
      this.last = this.#grammar.check(numbered(seq, () => parseEntry(entry)));
      this.#range = appendLeaf(this.#hasher, this.#range, leaf);
      this.#compare();
    });
  }

  /** The root once more, from the entries alone. */
  end(checkpoint: Checkpoint): void {
    if (!equalBytes(rangeRoot(this.#hasher, this.#range), checkpoint.root)) {
      throw new EvidenceError("root_mismatch", "the entries do not add up to the root of the checkpoint");
    }
  }

  #compare(): void {
    this.#older?.compare(this.size, () => rangeRoot(this.#hasher, this.#range), this.last);
  }
}

function numbered<T>(seq: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    throw new EvidenceError(error.code, `event ${seq}: ${error.message}`, { seq, cause: error });
  }
}

function readTile(readFile: ReadFile, tile: Tile): Promise<Uint8Array> {
  return readWhole(readFile, tile, (full) => full.slice(0, tile.width * hashBytes));
}

function readBundle(readFile: ReadFile, tile: Tile): Promise<Uint8Array> {
  return readWhole(readFile, tile, (full) => {
    const view = new DataView(full.buffer, full.byteOffset, full.byteLength);
    let end = 0;
    for (let i = 0; i < tile.width && end + 2 <= full.length; i++) end += 2 + view.getUint16(end);
    return full.slice(0, end);
  });
}

/** A log may drop a partial tile once the full one exists (tlog-tiles): then that one's beginning is taken. */
async function readWhole(
  readFile: ReadFile,
  tile: Tile,
  cut: (full: Uint8Array) => Uint8Array,
): Promise<Uint8Array> {
  const path = tilePath(tile);
  if (tile.width === tileWidth) return read(readFile, path);
  try {
    return await read(readFile, path);
  } catch (missing) {
    const full = await readFile(tilePath({ ...tile, width: tileWidth })).catch(() => undefined);
    if (full === undefined) throw missing;
    return cut(full);
  }
}

async function read(readFile: ReadFile, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new EvidenceError("missing_file", `\`${path}\` cannot be read from the export`, { path, cause });
  }
}
