import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  appendLeaf,
  type CompactRange,
  emptyRange,
  mergeRanges,
  rangeRoot,
  restoreRange,
  treeRoot,
} from "../../src/model/proof/compact-range.js";
import {
  nodesForConsistency,
  proveConsistency,
  verifyConsistencyWith,
} from "../../src/model/proof/consistency.js";
import { portableCrypto } from "../../src/model/proof/crypto.js";
import { treeHasher } from "../../src/model/proof/hash.js";
import { nodesForInclusion, proveInclusion, verifyInclusionWith } from "../../src/model/proof/inclusion.js";
import { nodesOf } from "../../src/model/proof/subtree.js";
import { naiveConsistency, naiveLeaf, naivePath, naiveRoot } from "../oracle/merkle-oracle.js";
import { nodeCrypto } from "./fixtures/keys.js";
import { bitFlips, refusal } from "./fixtures/refusal.js";

const hasher = treeHasher(nodeCrypto.sha256);
const leaves: readonly Uint8Array[] = Array.from(
  { length: 600 },
  (_, i) => new Uint8Array(naiveLeaf(Buffer.from(`entry ${i}`))),
);
const most = 300;
const farthest = Number.MAX_SAFE_INTEGER;

/** Only nodes that an append completed: what a store would have kept. */
const kept = new Map<string, Uint8Array>();
let all = emptyRange();
for (const leaf of leaves)
  all = appendLeaf(hasher, all, leaf, (level, index, hash) => kept.set(`${level},${index}`, hash));
const read = (level: number, index: number): Uint8Array => {
  const hash = kept.get(`${level},${index}`);
  if (hash === undefined) throw new Error(`node ${level},${index} is not complete`);
  return hash;
};
const rangeOf = (begin: number, end: number): CompactRange =>
  leaves.slice(begin, end).reduce((range, leaf) => appendLeaf(hasher, range, leaf), emptyRange(begin));
const hex = (hashes: readonly Uint8Array[]) => hashes.map((hash) => Buffer.from(hash).toString("hex"));

describe("hashing (RFC 9162, 2.1.1)", () => {
  it("tells leaves from nodes by a prefix, in pure JavaScript as in Node", () => {
    const portable = treeHasher(portableCrypto.sha256);
    for (let length = 0; length < 300; length++) {
      const entry = new Uint8Array(length).fill(length);
      expect(hex([portable.leaf(entry)])).toEqual(hex([naiveLeaf(entry)]));
      expect(hex([hasher.leaf(entry)])).toEqual(hex([naiveLeaf(entry)]));
    }
    const [a, b] = leaves as [Uint8Array, Uint8Array];
    expect(portable.node(a, b)).not.toEqual(portable.leaf(Buffer.concat([a, b])));
    expect(hex([portable.node(a, b)])).toEqual(hex([hasher.node(a, b)]));
    expect(hex([portable.empty])).toEqual([createHash("sha256").digest("hex")]);
  });
});

describe("compact range", () => {
  it("has the root of the naive tree at every size to 600", () => {
    let range = emptyRange();
    for (let size = 0; size <= leaves.length; size++) {
      expect(hex([rangeRoot(hasher, range)])).toEqual(hex([naiveRoot(leaves, 0, size)]));
      expect(range.hashes.length).toBe(nodesOf({ start: 0, end: size }).length);
      if (size < leaves.length) range = appendLeaf(hasher, range, leaves[size] as Uint8Array);
    }
    expect(hex([treeRoot(hasher, leaves)])).toEqual(hex([naiveRoot(leaves)]));
  });

  it("is the same however it was put together", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: leaves.length }), { minLength: 2, maxLength: 6 }), (cuts) => {
        const [begin = 0, ...ends] = cuts.sort((a, b) => a - b);
        let start = begin;
        let range = emptyRange(begin);
        for (const end of ends) {
          range = mergeRanges(hasher, range, rangeOf(start, end));
          start = end;
        }
        expect(range).toEqual(rangeOf(begin, start));
      }),
      { numRuns: 300 },
    );
  });

  it("has the root of the naive tree after a merge at any place", () => {
    for (let size = 1; size <= 64; size++) {
      for (let cut = 0; cut <= size; cut++) {
        const merged = mergeRanges(hasher, rangeOf(0, cut), rangeOf(cut, size));
        expect(hex([rangeRoot(hasher, merged)])).toEqual(hex([naiveRoot(leaves, 0, size)]));
      }
    }
  });

  it("tells every node that a merge completes", () => {
    const told = new Map<string, Uint8Array>();
    const tell = (level: number, index: number, hash: Uint8Array) => told.set(`${level},${index}`, hash);
    mergeRanges(hasher, rangeOf(0, 5), rangeOf(5, 16), tell);
    expect([...told.keys()]).toEqual(["1,2", "2,1", "3,0", "4,0"]);
    for (const [id, hash] of told) expect(hash).toEqual(kept.get(id));
  });

  it("stays as it was when more is appended: a rolled back append leaves no trace", () => {
    const before = rangeOf(0, 7);
    const copy = restoreRange(before);
    appendLeaf(hasher, before, leaves[7] as Uint8Array);
    expect(before).toEqual(copy);
    expect(Object.isFrozen(before) && Object.isFrozen(before.hashes)).toBe(true);
  });

  it("appends up to 2^53 - 1 entries, and no further", () => {
    const hashes = Array.from({ length: 52 }, (_, i) => leaves[i] as Uint8Array);
    const range = restoreRange({ begin: 0, end: farthest - 1, hashes });
    const full = appendLeaf(hasher, range, leaves[0] as Uint8Array);
    expect([full.end, full.hashes.length]).toEqual([farthest, 53]);
    expect(() => appendLeaf(hasher, full, leaves[0] as Uint8Array)).toThrow(RangeError);
  });

  it("refuses what cannot be a stored range", () => {
    const { hashes } = rangeOf(0, 5);
    refusal(() => restoreRange({ begin: 0, end: 6, hashes: hashes.slice(1) }), "malformed_proof");
    refusal(() => restoreRange({ begin: 0, end: 7, hashes }), "malformed_proof");
    refusal(() => restoreRange({ begin: 5, end: 4, hashes: [] }), "malformed_proof");
    refusal(() => restoreRange({ begin: 0, end: 2 ** 53, hashes }), "malformed_proof");
    refusal(() => restoreRange({ begin: -1, end: 0, hashes }), "malformed_proof");
    refusal(() => restoreRange({ begin: 0, end: 1, hashes: [new Uint8Array(31)] }), "malformed_proof");
    refusal(() => appendLeaf(hasher, emptyRange(), new Uint8Array(33)), "malformed_proof");
    expect(() => mergeRanges(hasher, rangeOf(0, 2), rangeOf(3, 4))).toThrow(TypeError);
    expect(() => rangeRoot(hasher, rangeOf(1, 2))).toThrow(TypeError);
  });
});

describe("inclusion proofs", () => {
  it(`are those of the definition and verify, for every entry of every size to ${most}`, () => {
    for (let size = 1; size <= most; size++) {
      const root = naiveRoot(leaves, 0, size);
      for (let index = 0; index < size; index++) {
        const proof = proveInclusion(hasher, read, index, size);
        const expected = naivePath(leaves, index, 0, size);
        if (!Buffer.concat(proof).equals(Buffer.concat(expected)) || proof.length !== expected.length) {
          expect.fail(`another proof than the definition's for ${index} of ${size}`);
        }
        verifyInclusionWith(hasher, { leafHash: leaves[index] as Uint8Array, index, size, root, proof });
      }
    }
  });

  it("read exactly the nodes they announce", () => {
    for (const [index, size] of [
      [0, 1],
      [3, 7],
      [255, 256],
      [17, 300],
      [299, 300],
    ] as const) {
      const asked: string[] = [];
      proveInclusion(hasher, (level, i) => (asked.push(`${level},${i}`), read(level, i)), index, size);
      expect(asked).toEqual(nodesForInclusion(index, size).map((node) => `${node.level},${node.index}`));
    }
  });

  it("are refused with any bit of leaf, root or proof flipped", () => {
    for (const [index, size] of [
      [0, 1],
      [0, 2],
      [4, 7],
      [6, 7],
      [11, 21],
    ] as const) {
      const claim = {
        leafHash: leaves[index] as Uint8Array,
        index,
        size,
        root: naiveRoot(leaves, 0, size),
        proof: proveInclusion(hasher, read, index, size),
      };
      for (const leafHash of bitFlips(claim.leafHash))
        refusal(() => verifyInclusionWith(hasher, { ...claim, leafHash }), "root_mismatch");
      for (const root of bitFlips(claim.root))
        refusal(() => verifyInclusionWith(hasher, { ...claim, root }), "root_mismatch");
      claim.proof.forEach((hash, i) => {
        for (const flipped of bitFlips(hash)) {
          refusal(
            () => verifyInclusionWith(hasher, { ...claim, proof: claim.proof.with(i, flipped) }),
            "root_mismatch",
          );
        }
      });
    }
  });

  it("hold for one index and one size: for another they are refused", () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = {
          leafHash: leaves[index] as Uint8Array,
          root: naiveRoot(leaves, 0, size),
          proof: proveInclusion(hasher, read, index, size),
        };
        for (let other = 0; other < size; other++) {
          if (other !== index)
            refusal(
              () => verifyInclusionWith(hasher, { ...claim, index: other, size }),
              "root_mismatch",
              "proof_too_short",
              "proof_too_long",
            );
        }
        refusal(() => verifyInclusionWith(hasher, { ...claim, index, size: size * 4 }), "proof_too_short");
        if (size > 1)
          refusal(() => verifyInclusionWith(hasher, { ...claim, index: 0, size: 1 }), "proof_too_long");
      }
    }
  });

  it("have exactly the length they need", () => {
    const claim = { leafHash: leaves[4] as Uint8Array, index: 4, size: 7, root: naiveRoot(leaves, 0, 7) };
    const proof = proveInclusion(hasher, read, 4, 7);
    for (let length = 0; length < proof.length; length++) {
      refusal(
        () => verifyInclusionWith(hasher, { ...claim, proof: proof.slice(0, length) }),
        "proof_too_short",
      );
    }
    refusal(
      () => verifyInclusionWith(hasher, { ...claim, proof: [...proof, leaves[0] as Uint8Array] }),
      "proof_too_long",
    );
    refusal(
      () => verifyInclusionWith(hasher, { ...claim, proof: proof.with(0, new Uint8Array(31)) }),
      "malformed_proof",
    );
    refusal(
      () => verifyInclusionWith(hasher, { ...claim, proof, root: new Uint8Array(0) }),
      "malformed_proof",
    );
    refusal(
      () => verifyInclusionWith(hasher, { ...claim, proof, leafHash: new Uint8Array(64) }),
      "malformed_proof",
    );
  });

  it("refuse an index outside the tree, and numbers that are no counts", () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 2],
      [0.5, 2],
      [0, 1.5],
      [NaN, 2],
      [0, Infinity],
      [0, 2 ** 53],
      [2 ** 53, 2 ** 54],
    ] as const) {
      const claim = {
        leafHash: leaves[0] as Uint8Array,
        index,
        size,
        root: leaves[0] as Uint8Array,
        proof: [],
      };
      refusal(() => verifyInclusionWith(hasher, claim), "index_out_of_range");
      refusal(() => proveInclusion(hasher, read, index, size), "index_out_of_range");
    }
  });

  it("work at sizes that do not fit in 32 bits, up to 2^53 - 1", () => {
    // All leaves alike: then a node is known by its level, and a tree of any size can be read.
    const levels = [leaves[0] as Uint8Array];
    for (let level = 1; level < 54; level++)
      levels.push(hasher.node(levels[level - 1] as Uint8Array, levels[level - 1] as Uint8Array));
    const alike = (level: number) => levels[level] as Uint8Array;
    for (const size of [2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52 + 12_345, farthest]) {
      const root = rangeRoot(
        hasher,
        restoreRange({
          begin: 0,
          end: size,
          hashes: nodesOf({ start: 0, end: size }).map(({ level }) => alike(level)),
        }),
      );
      for (const index of [0, 1, 2 ** 31 - 1, Math.floor(size / 2), size - 1]) {
        const proof = proveInclusion(hasher, alike, index, size);
        verifyInclusionWith(hasher, { leafHash: leaves[0] as Uint8Array, index, size, root, proof });
        refusal(
          () => verifyInclusionWith(hasher, { leafHash: leaves[1] as Uint8Array, index, size, root, proof }),
          "root_mismatch",
        );
      }
    }
  });
});

describe("consistency proofs", () => {
  it(`are those of the definition and verify, for every two sizes to ${most}`, () => {
    for (let size2 = 1; size2 <= most; size2++) {
      const root2 = naiveRoot(leaves, 0, size2);
      for (let size1 = 1; size1 <= size2; size1++) {
        const proof = proveConsistency(hasher, read, size1, size2);
        const expected = naiveConsistency(leaves, size1, size2);
        if (!Buffer.concat(proof).equals(Buffer.concat(expected)) || proof.length !== expected.length) {
          expect.fail(`another proof than the definition's from ${size1} to ${size2}`);
        }
        verifyConsistencyWith(hasher, { size1, root1: naiveRoot(leaves, 0, size1), size2, root2, proof });
      }
    }
  });

  it("read exactly the nodes they announce", () => {
    for (const [size1, size2] of [
      [1, 1],
      [3, 7],
      [256, 300],
      [17, 300],
    ] as const) {
      const asked: string[] = [];
      proveConsistency(hasher, (level, i) => (asked.push(`${level},${i}`), read(level, i)), size1, size2);
      expect(asked).toEqual(nodesForConsistency(size1, size2).map((node) => `${node.level},${node.index}`));
    }
  });

  it("are refused with any bit of a root or of the proof flipped", () => {
    for (const [size1, size2] of [
      [1, 1],
      [1, 2],
      [4, 7],
      [6, 7],
      [11, 21],
      [16, 32],
    ] as const) {
      const claim = {
        size1,
        root1: naiveRoot(leaves, 0, size1),
        size2,
        root2: naiveRoot(leaves, 0, size2),
        proof: proveConsistency(hasher, read, size1, size2),
      };
      for (const root1 of bitFlips(claim.root1))
        refusal(() => verifyConsistencyWith(hasher, { ...claim, root1 }), "root_mismatch");
      for (const root2 of bitFlips(claim.root2))
        refusal(() => verifyConsistencyWith(hasher, { ...claim, root2 }), "root_mismatch");
      claim.proof.forEach((hash, i) => {
        for (const flipped of bitFlips(hash)) {
          refusal(
            () => verifyConsistencyWith(hasher, { ...claim, proof: claim.proof.with(i, flipped) }),
            "root_mismatch",
          );
        }
      });
    }
  });

  it("refuse a rewritten past, whatever proof comes with it", () => {
    const rewritten = leaves.map((leaf, i) => (i === 2 ? (leaves[3] as Uint8Array) : leaf));
    for (const [size1, size2] of [
      [4, 4],
      [4, 7],
      [5, 9],
      [8, 20],
    ] as const) {
      for (const proof of [
        naiveConsistency(rewritten, size1, size2),
        naiveConsistency(leaves, size1, size2),
      ]) {
        const claim = {
          size1,
          root1: naiveRoot(leaves, 0, size1),
          size2,
          root2: naiveRoot(rewritten, 0, size2),
          proof,
        };
        refusal(() => verifyConsistencyWith(hasher, claim), "root_mismatch");
      }
    }
  });

  it("have exactly the length they need", () => {
    const claim = { size1: 6, root1: naiveRoot(leaves, 0, 6), size2: 21, root2: naiveRoot(leaves, 0, 21) };
    const proof = proveConsistency(hasher, read, 6, 21);
    for (let length = 0; length < proof.length; length++) {
      refusal(
        () => verifyConsistencyWith(hasher, { ...claim, proof: proof.slice(0, length) }),
        "proof_too_short",
      );
    }
    refusal(
      () => verifyConsistencyWith(hasher, { ...claim, proof: [...proof, leaves[0] as Uint8Array] }),
      "proof_too_long",
    );
    refusal(
      () => verifyConsistencyWith(hasher, { ...claim, proof: proof.with(1, new Uint8Array(33)) }),
      "malformed_proof",
    );
    for (const length of [0, 31, 33, 64]) {
      const odd = new Uint8Array(length);
      refusal(() => verifyConsistencyWith(hasher, { ...claim, root1: odd, proof }), "malformed_proof");
      refusal(() => verifyConsistencyWith(hasher, { ...claim, root2: odd, proof }), "malformed_proof");
    }
    const same = { size1: 6, root1: claim.root1, size2: 6, root2: claim.root1 };
    refusal(
      () => verifyConsistencyWith(hasher, { ...same, proof: [leaves[0] as Uint8Array] }),
      "proof_too_long",
    );
  });

  it("refuse a tree that shrinks, an empty one, and numbers that are no counts", () => {
    const [root] = leaves as [Uint8Array];
    for (const [size1, size2] of [
      [2, 1],
      [0, 0],
      [0, 5],
      [-1, 5],
      [1.5, 5],
      [1, NaN],
      [1, 2 ** 53],
    ] as const) {
      const claim = { size1, root1: root, size2, root2: root, proof: [] };
      refusal(() => verifyConsistencyWith(hasher, claim), "index_out_of_range");
      refusal(() => proveConsistency(hasher, read, size1, size2), "index_out_of_range");
    }
  });
});
