import { EvidenceError } from "../errors.js";
import { treeRoot } from "./compact-range.js";
import { equalBytes, type TreeHasher } from "./hash.js";
import { foldNodes, type NodeId, type NodeReader, nodesOf } from "./subtree.js";
import { edgeTilesOf, hashesAt, parseTile, type Tile, tileHeight, tilePath, tileWidth } from "./tile.js";

/** A hash tile of a level; bundles of entries are checked against those of level 0. */
export type HashTile = Tile & { readonly level: number };

/**
 * The hash tiles of a log, each verified when it is taken in: those of the right edge against the root that a
 * checkpoint signs, any other against its hash in the tile above. What it gives out can be relied on; from
 * tiles that were never taken in it gives nothing.
 *
 * Reading files is the caller's: `tilesFor` names what is needed, `admit` takes it.
 */
export class TileTree {
  readonly #hasher: TreeHasher;
  readonly #size: number;
  readonly #tiles = new Map<string, readonly Uint8Array[]>();

  /**
   * @param read gives the bytes of each of `edgeTilesOf(size)`.
   * @throws EvidenceError `malformed_tile`; `root_mismatch` when the edge does not add up to the root.
   */
  constructor(
    hasher: TreeHasher,
    { size, root }: { readonly size: number; readonly root: Uint8Array },
    read: (tile: Tile) => Uint8Array,
  ) {
    this.#hasher = hasher;
    this.#size = size;
    for (const tile of edgeTilesOf(size)) this.#tiles.set(tilePath(tile), parseTile(tile, read(tile)));
    const nodes = nodesOf({ start: 0, end: size }).map(({ level, index }) => this.read(level, index));
    const found = nodes.length === 0 ? hasher.empty : foldNodes(hasher, nodes);
    if (!equalBytes(found, root)) {
      throw new EvidenceError(
        "root_mismatch",
        `the tiles of ${size} entries do not add up to the root of the checkpoint`,
        {
          hint: "the tiles at the right edge of the export were changed, or belong to another checkpoint",
        },
      );
    }
  }

  /** The tiles that have to be taken in before these nodes can be read, in the order in which to take them. */
  tilesFor(nodes: readonly NodeId[]): HashTile[] {
    const missing = new Map<string, HashTile>();
    for (const { level, index } of nodes) {
      let tile: HashTile | undefined = this.#tileOf(level, index);
      while (tile !== undefined && !this.#tiles.has(tilePath(tile))) {
        missing.set(tilePath(tile), tile);
        tile = this.#tileOf((tile.level + 1) * tileHeight, tile.index);
      }
    }
    return [...missing.values()].sort((a, b) => b.level - a.level || a.index - b.index);
  }

  /**
   * Takes a full tile in.
   * @throws EvidenceError `malformed_tile`; `tile_mismatch` when it is not the one the tile above names.
   */
  admit(tile: HashTile, bytes: Uint8Array): readonly Uint8Array[] {
    const path = tilePath(tile);
    const hashes = parseTile(tile, bytes);
    const expected = this.read((tile.level + 1) * tileHeight, tile.index);
    if (!equalBytes(treeRoot(this.#hasher, hashes), expected)) {
      throw new EvidenceError("tile_mismatch", `\`${path}\` does not match its hash in the tile above`, {
        path,
      });
    }
    this.#tiles.set(path, hashes);
    return hashes;
  }

  /** Forgets a tile that was admitted; going through a long log, not all of it has to be kept. */
  release(tile: HashTile): void {
    if (tile.width === tileWidth) this.#tiles.delete(tilePath(tile));
  }

  /** The verified hashes of a tile that was taken in. */
  hashes(tile: HashTile): readonly Uint8Array[] {
    const hashes = this.#tiles.get(tilePath(tile));
    if (hashes === undefined) throw new RangeError(`\`${tilePath(tile)}\` has not been taken in`);
    return hashes;
  }

  /** The hash of a node; its tile has been taken in (`tilesFor`). */
  readonly read: NodeReader = (level, index) => {
    const span = 2 ** (level % tileHeight);
    const tile = this.#tileOf(level, index);
    const first = index * span - tile.index * tileWidth;
    return treeRoot(this.#hasher, this.hashes(tile).slice(first, first + span));
  };

  #tileOf(level: number, index: number): HashTile {
    const tileLevel = Math.floor(level / tileHeight);
    const position = Math.floor((index * 2 ** (level % tileHeight)) / tileWidth);
    const width = Math.min(tileWidth, hashesAt(tileLevel, this.#size) - position * tileWidth);
    if (width < 1)
      throw new RangeError(`a log of ${this.#size} entries has no node ${index} at level ${level}`);
    return { level: tileLevel, index: position, width };
  }
}
