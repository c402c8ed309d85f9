import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { proveConsistency, nodesForConsistency } from "../../src/model/proof/consistency.js";
import { parseEntryBundle, printEntryBundle } from "../../src/model/proof/entry-bundle.js";
import { nodesForInclusion, proveInclusion } from "../../src/model/proof/inclusion.js";
import type { NodeId } from "../../src/model/proof/subtree.js";
import { TileTree } from "../../src/model/proof/tile-tree.js";
import {
  edgeTilesOf,
  parseTile,
  parseTilePath,
  type Tile,
  tilePath,
  tilesOf,
} from "../../src/model/proof/tile.js";
import { hasher, MemoryLog } from "./fixtures/exported.js";
import { bitFlips, refusal } from "./fixtures/refusal.js";
import { vectors } from "./fixtures/vectors.js";

const set = vectors("1-merkle-tlog");
const log = new MemoryLog(Array.from({ length: 66_100 }, (_, i) => Buffer.from(String(i))));
const pathsOf = (size: number, from = 0) => [...tilesOf(size, from)].map(tilePath);

describe("tile paths (C2SP tlog-tiles)", () => {
  it("are those of the specification", () => {
    expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe("tile/0/x001/x234/067");
    expect(tilePath({ level: "entries", index: 1234067, width: 8 })).toBe("tile/entries/x001/x234/067.p/8");
    expect(tilePath({ level: 1, index: 0, width: 1 })).toBe("tile/1/000.p/1");
    expect(tilePath({ level: 63, index: 1000, width: 255 })).toBe("tile/63/x001/000.p/255");
  });

  it("come back as they were printed", () => {
    const tiles = fc.record({
      level: fc.oneof(fc.constant("entries" as const), fc.integer({ min: 0, max: 63 })),
      index: fc.maxSafeNat(),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(fc.property(tiles, (tile) => void expect(parseTilePath(tilePath(tile))).toEqual(tile)));
  });

  it("have one spelling, and lead nowhere else", () => {
    const wrong = [
      "",
      "tile",
      "tile/0",
      "tile/0/",
      "tile/0/1",
      "tile/0/01",
      "tile/0/0001",
      "tile/00/000",
      "tile/64/000",
      "tile/-1/000",
      "tile/0/x000/001",
      "tile/0/001/002",
      "tile/0/x001",
      "tile/0/x001/x002",
      "tile/0/000.p/0",
      "tile/0/000.p/256",
      "tile/0/000.p/01",
      "tile/0/000.p/",
      "tile/0/000.p",
      "/tile/0/000",
      "tile/0/000/",
      "tile/data/000",
      "Tile/0/000",
      "tile/0/../../000",
      "tile//000",
      "tile/0/x009/x007/x199/x254/x740/992",
      "tile/0/٠٠٠",
      "tile/0/000\n",
    ];
    for (const path of wrong) expect(refusal(() => parseTilePath(path), "malformed_tile").path).toBe(path);
  });
});

describe("which tiles a log has", () => {
  it("is as in the example of the specification: 70,000 entries", () => {
    const paths = pathsOf(70_000);
    const at = (level: string) => paths.filter((path) => path.startsWith(`tile/${level}/`));
    expect(["entries", "0", "1", "2"].map((level) => at(level).length)).toEqual([274, 274, 2, 1]);
    expect([at("0").at(-1), at("1"), at("2")]).toEqual([
      "tile/0/273.p/112",
      ["tile/1/000", "tile/1/001.p/17"],
      ["tile/2/000.p/1"],
    ]);
    expect(pathsOf(256)).toEqual(["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    expect(pathsOf(0)).toEqual([]);
    expect(edgeTilesOf(256).map(tilePath)).toEqual(["tile/1/000.p/1"]);
  });

  it("grows by the tiles that are new: whoever exports again writes no others", () => {
    for (const [from, size] of [
      [0, 1],
      [1, 2],
      [255, 256],
      [256, 257],
      [300, 300],
      [300, 70_000],
      [65_535, 65_536],
      [65_536, 65_537],
    ] as const) {
      const before = new Set(pathsOf(from));
      expect(pathsOf(size, from)).toEqual(pathsOf(size).filter((path) => !before.has(path)));
    }
  });

  it("reaches to 2^53 - 1 entries", () => {
    const size = Number.MAX_SAFE_INTEGER;
    expect(edgeTilesOf(size).map(({ level, width }) => [level, width])).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((level) => [level, level < 6 ? 255 : 31]),
    );
    expect(pathsOf(size, size - 1)).toHaveLength(2);
  });
});

describe("entry bundles", () => {
  const bundle = (width: number): Tile => ({ level: "entries", index: 0, width });

  it("come back as they were printed, empty and largest entries included", () => {
    const entries = [new Uint8Array(0), new Uint8Array(65_535).fill(7), Buffer.from("x")];
    expect(parseEntryBundle(bundle(3), printEntryBundle(entries)).map((entry) => Buffer.from(entry))).toEqual(
      entries.map((entry) => Buffer.from(entry)),
    );
    expect(() => printEntryBundle([new Uint8Array(65_536)])).toThrow(RangeError);
  });

  it("are refused when they break off, go on, or hold another number of entries", () => {
    const bytes = printEntryBundle([Buffer.from("one"), Buffer.from("two")]);
    for (let length = 0; length < bytes.length; length++)
      refusal(() => parseEntryBundle(bundle(2), bytes.slice(0, length)), "malformed_tile");
    refusal(() => parseEntryBundle(bundle(2), Uint8Array.of(...bytes, 0)), "malformed_tile");
    refusal(() => parseEntryBundle(bundle(1), bytes), "malformed_tile");
    refusal(() => parseEntryBundle(bundle(3), bytes), "malformed_tile");
  });
});

describe("tiles that are verified as they are read", () => {
  const sizes = [1, 2, 255, 256, 257, 511, 700, 65_535, 65_536, 65_793, 66_100];
  const open = (size: number, content = (tile: Tile) => log.content(tile)) =>
    new TileTree(hasher, { size, root: log.root(size) }, content);
  const take = (tree: TileTree, nodes: readonly NodeId[]) => {
    for (const tile of tree.tilesFor(nodes)) tree.admit(tile, log.content(tile));
  };

  it("give the same proofs as the whole tree", () => {
    for (const size of sizes) {
      const tree = open(size);
      for (const index of [0, 1, 255, 256, 300, 65_535, 65_536, size - 1].filter((i) => i < size)) {
        take(tree, nodesForInclusion(index, size));
        expect(proveInclusion(hasher, tree.read, index, size)).toEqual(
          proveInclusion(hasher, log.read, index, size),
        );
      }
      for (const older of [1, 255, 256, 257, 65_535, 65_536, size].filter((i) => i <= size)) {
        take(tree, nodesForConsistency(older, size));
        expect(proveConsistency(hasher, tree.read, older, size)).toEqual(
          proveConsistency(hasher, log.read, older, size),
        );
      }
    }
    expect(() => open(0).read(0, 0)).toThrow(RangeError);
  });

  it("are refused at the edge with any bit flipped", () => {
    for (const flipped of bitFlips(log.content({ level: 0, index: 1, width: 3 }))) {
      refusal(() => open(259, (tile) => (tile.level === 0 ? flipped : log.content(tile))), "root_mismatch");
    }
  });

  it("are refused inside the tree with any bit flipped", () => {
    const tree = open(700);
    const [tile] = tree.tilesFor([{ level: 0, index: 300 }]);
    expect(tile).toEqual({ level: 0, index: 1, width: 256 });
    const bytes = log.content(tile as Tile);
    let tried = 0;
    for (const flipped of bitFlips(bytes)) {
      if (tried++ % 97 !== 0) continue;
      const error = refusal(() => tree.admit(tile as Tile & { level: number }, flipped), "tile_mismatch");
      expect(error.path).toBe("tile/0/001");
    }
    expect(() => tree.read(0, 300)).toThrow(RangeError);
    tree.admit(tile as Tile & { level: number }, bytes);
    expect(tree.read(0, 300)).toEqual(log.read(0, 300));
    tree.release(tile as Tile & { level: number });
    expect(() => tree.read(0, 300)).toThrow(RangeError);
  });

  it("cannot be changed by whoever read them, once they were verified", () => {
    const tree = open(700);
    const [tile] = tree.tilesFor([{ level: 0, index: 0 }]) as [Tile & { level: number }];
    const bytes = Buffer.from(log.content(tile));
    tree.admit(tile, bytes);
    bytes.fill(0);
    expect(tree.read(0, 0)).toEqual(log.read(0, 0));
  });

  it("are refused in another place or length", () => {
    const tree = open(700);
    refusal(
      () => tree.admit({ level: 0, index: 0, width: 256 }, log.content({ level: 0, index: 1, width: 256 })),
      "tile_mismatch",
    );
    refusal(() => parseTile({ level: 0, index: 0, width: 2 }, new Uint8Array(63)), "malformed_tile");
    refusal(() => open(700, () => new Uint8Array(0)), "malformed_tile");
    refusal(
      () => new TileTree(hasher, { size: 0, root: new Uint8Array(32) }, () => new Uint8Array(0)),
      "root_mismatch",
    );
  });
});

describe.skipIf(!set.present)(`public tile path vectors ${set.title}`, () => {
  it("mean the same tiles, the height aside, which is always 8 here", () => {
    const { tilePaths } = set.json("checkpoints.json") as {
      tilePaths: {
        cases: readonly { path: string; HLNW: readonly [number, number, number, number] | null }[];
      };
    };
    for (const { path, HLNW } of tilePaths.cases) {
      const [, , ...rest] = path.split("/");
      const ours = ["tile", ...rest].join("/").replace("/data/", "/entries/");
      if (HLNW === null) {
        refusal(() => parseTilePath(ours), "malformed_tile");
        continue;
      }
      const [height, level, index, width] = HLNW;
      expect(parseTilePath(ours)).toEqual({
        level: level === -1 ? "entries" : level,
        index,
        width: width === 2 ** height ? 256 : width,
      });
    }
    expect(tilePaths.cases).toHaveLength(8);
  });
});
