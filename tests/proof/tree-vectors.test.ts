import { describe, expect, it } from "vitest";
import { rangeRoot, treeRoot } from "../../src/model/proof/compact-range.js";
import { proveConsistency, verifyConsistencyWith } from "../../src/model/proof/consistency.js";
import { portableCrypto } from "../../src/model/proof/crypto.js";
import { treeHasher } from "../../src/model/proof/hash.js";
import { proveInclusion, verifyInclusionWith } from "../../src/model/proof/inclusion.js";
import { nodesOf, subtreeHash } from "../../src/model/proof/subtree.js";
import { verifyConsistency, verifyInclusion } from "../../src/verify.js";
import { appendLeaf, emptyRange } from "../../src/model/proof/compact-range.js";
import { nodeCrypto } from "./fixtures/keys.js";
import { refusal } from "./fixtures/refusal.js";
import { bytesOf, vectors } from "./fixtures/vectors.js";

const set = vectors("1-merkle-tlog");
const hasher = treeHasher(portableCrypto.sha256);
const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const treeCodes = [
  "index_out_of_range",
  "malformed_proof",
  "proof_too_short",
  "proof_too_long",
  "root_mismatch",
] as const;

/** Nodes of a tree of these leaves, as far as they are complete. */
function readerOf(leaves: readonly Uint8Array[]) {
  const nodes = new Map<string, Uint8Array>();
  let range = emptyRange();
  for (const leaf of leaves) {
    range = appendLeaf(hasher, range, leaf, (level, index, hash) => nodes.set(`${level},${index}`, hash));
  }
  return (level: number, index: number) => {
    const hash = nodes.get(`${level},${index}`);
    if (hash === undefined) throw new Error(`node ${level},${index} is not complete`);
    return hash;
  };
}

interface InclusionCase {
  readonly file: string;
  readonly leafIdx: number | string;
  readonly treeSize: number | string;
  readonly root: string | null;
  readonly leafHash: string | null;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

interface ConsistencyCase {
  readonly file: string;
  readonly size1: number | string;
  readonly size2: number | string;
  readonly root1: string | null;
  readonly root2: string | null;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

describe.skipIf(!set.present)(`public Merkle tree vectors ${set.title}`, () => {
  it("accepts the 6 good inclusion proofs and refuses the 92 bad ones", () => {
    const { cases } = set.json("inclusion.json") as { cases: readonly InclusionCase[] };
    const good: string[] = [];
    for (const each of cases) {
      const claim = {
        leafHash: bytesOf(each.leafHash ?? ""),
        index: Number(each.leafIdx),
        size: Number(each.treeSize),
        root: bytesOf(each.root ?? ""),
        proof: (each.proof ?? []).map(bytesOf),
      };
      if (each.wantErr) refusal(() => verifyInclusion(claim), ...treeCodes);
      else {
        verifyInclusion(claim);
        good.push(each.file);
      }
    }
    expect([cases.length, good.length]).toEqual([98, 6]);
  });

  it("accepts the 6 good consistency proofs and refuses the 92 bad ones, those from the empty tree included", () => {
    const { cases } = set.json("consistency.json") as { cases: readonly ConsistencyCase[] };
    const good: string[] = [];
    let fromNothing = 0;
    for (const each of cases) {
      const claim = {
        size1: Number(each.size1),
        root1: bytesOf(each.root1 ?? ""),
        size2: Number(each.size2),
        root2: bytesOf(each.root2 ?? ""),
        proof: (each.proof ?? []).map(bytesOf),
      };
      if (each.wantErr) {
        const { code } = refusal(() => verifyConsistency(claim), ...treeCodes);
        if (claim.size1 === 0) {
          expect(code).toBe("index_out_of_range");
          fromNothing++;
        }
      } else {
        verifyConsistency(claim);
        good.push(each.file);
      }
    }
    expect([cases.length, good.length]).toEqual([98, 6]);
    expect(fromNothing).toBeGreaterThan(0);
  });

  it("hashes as the reference does: leaves, nodes, and the roots of 0 to 8 entries", () => {
    const trees = set.json("trees.json") as {
      leafInputsHex: string[];
      nodeHashesByLevel: string[][];
      rootHashesBySize: string[];
      hasher: {
        inputHex?: string | null;
        leafHex?: string;
        leftHex?: string;
        rightHex?: string;
        want: string;
      }[];
    };
    for (const each of trees.hasher) {
      const hash =
        each.leafHex !== undefined
          ? hasher.leaf(fromHex(each.leafHex))
          : each.leftHex !== undefined
            ? hasher.node(fromHex(each.leftHex), fromHex(each.rightHex ?? ""))
            : hasher.empty;
      expect(toHex(hash)).toBe(each.want);
    }
    const leaves = trees.leafInputsHex.map((hex) => hasher.leaf(fromHex(hex)));
    trees.rootHashesBySize.forEach((root, size) =>
      expect(toHex(treeRoot(hasher, leaves.slice(0, size)))).toBe(root),
    );
    const read = readerOf(leaves);
    trees.nodeHashesByLevel.forEach((hashes, level) => {
      hashes.forEach((hash, index) => expect(toHex(read(level, index))).toBe(hash));
    });
  });

  it("makes the proofs of the example in RFC 6962, section 2.1.3", () => {
    const { rfc6962_section_2_1_3: example } = set.json("trees.json") as {
      rfc6962_section_2_1_3: {
        tree: Readonly<Record<string, unknown>>;
        inclusion: Readonly<Record<string, string[]>>;
        consistency: Readonly<Record<string, string[]>>;
      };
    };
    const entries = new Map(Array.from({ length: 7 }, (_, i) => [`d${i}`, Uint8Array.of(100 + i)]));
    const named = (name: string): Uint8Array => {
      const [, kind, args = ""] = /^(leaf|node)\((.*)\)$/.exec(String(example.tree[name])) ?? [];
      const [left = "", right = ""] = args.split(",");
      return kind === "leaf"
        ? hasher.leaf(entries.get(left) as Uint8Array)
        : hasher.node(named(left), named(right));
    };
    const leaves = [...entries.values()].map((entry) => hasher.leaf(entry));
    const read = readerOf(leaves);
    expect(toHex(treeRoot(hasher, leaves))).toBe(toHex(named("hash")));
    for (const [claim, names] of Object.entries(example.inclusion)) {
      const index = Number(/^d(\d) in D\[7\]$/.exec(claim)?.[1]);
      const proof = proveInclusion(hasher, read, index, 7);
      expect(proof.map(toHex)).toEqual(names.map((name) => toHex(named(name))));
      verifyInclusionWith(hasher, {
        leafHash: leaves[index] as Uint8Array,
        index,
        size: 7,
        root: named("hash"),
        proof,
      });
    }
    for (const [claim, names] of Object.entries(example.consistency)) {
      const size1 = Number(/^(\d)->7$/.exec(claim)?.[1]);
      const proof = proveConsistency(hasher, read, size1, 7);
      expect(proof.map(toHex)).toEqual(names.map((name) => toHex(named(name))));
      const root1 = treeRoot(hasher, leaves.slice(0, size1));
      verifyConsistencyWith(hasher, { size1, root1, size2: 7, root2: named("hash"), proof });
    }
  });

  it("proves every entry in every subtree of up to 130 entries as the published digest says", () => {
    const { read, leaves, subtrees, published } = rolling();
    const lines: string[] = [];
    for (const { start, end } of subtrees) {
      const size = end - start;
      // A subtree is a tree of its own: its nodes are those of the whole, moved.
      const own = (level: number, index: number) => read(level, index + start / 2 ** level);
      for (let index = start; index < end; index++) {
        const proof = proveInclusion(hasher, own, index - start, size);
        lines.push(`${index} [${start}, ${end})${proof.map((hash) => ` ${toHex(hash)}`).join("")}\n`);
        if (end % 13 !== 0) continue;
        const root = subtreeHash(hasher, read, { start, end });
        verifyInclusionWith(hasher, {
          leafHash: leaves[index] as Uint8Array,
          index: index - start,
          size,
          root,
          proof,
        });
      }
    }
    expect(toHex(nodeCrypto.sha256(Buffer.from(lines.join(""))))).toBe(published.subtreeInclusion.sha256);
  });

  it("proves every subtree consistent with every tree of up to 130 entries as the published digest says", () => {
    const { read, subtrees, published } = rolling();
    const lines: string[] = [];
    for (let size = 0; size <= 130; size++) {
      for (const { start, end } of subtrees) {
        if (end > size) continue;
        // From the first entry on it is the proof that we make; of others the draft's recipe, over our nodes.
        const proof =
          start === 0 && end > 0
            ? proveConsistency(hasher, read, end, size)
            : subtreeProof(start, end, 0, size, true).map((part) => subtreeHash(hasher, read, part));
        lines.push(`[${start}, ${end}) ${size}${proof.map((hash) => ` ${toHex(hash)}`).join("")}\n`);
      }
    }
    expect(toHex(nodeCrypto.sha256(Buffer.from(lines.join(""))))).toBe(published.subtreeConsistency.sha256);
  });

  it("hashes every subtree of up to 130 entries as the published digest says", () => {
    const { read, subtrees, published } = rolling();
    const lines = subtrees.map(({ start, end }) => {
      const hash = start === end ? hasher.empty : subtreeHash(hasher, read, { start, end });
      return `[${start}, ${end}) ${toHex(hash)}\n`;
    });
    expect(toHex(nodeCrypto.sha256(Buffer.from(lines.join(""))))).toBe(published.subtreeHash.sha256);
    expect(nodesOf({ start: 0, end: 0 })).toEqual([]);
    expect(toHex(rangeRoot(hasher, emptyRange()))).toBe(toHex(hasher.empty));
  });
});

/** The tree of 130 leaves that the rolling digests are of, its valid subtrees in their order, and the digests. */
function rolling() {
  const { mtcRollingDigests: published } = set.json("trees.json") as {
    mtcRollingDigests: Record<"subtreeHash" | "subtreeInclusion" | "subtreeConsistency", { sha256: string }>;
  };
  const leaves = Array.from({ length: 130 }, (_, i) => hasher.leaf(Uint8Array.of(i)));
  const subtrees: { readonly start: number; readonly end: number }[] = [];
  for (let end = 0; end <= 130; end++) {
    for (let start = 0; start <= end; start++) {
      const width = 2 ** Math.ceil(Math.log2(end - start));
      if (start === end || start === 0 || start % width === 0) subtrees.push({ start, end });
    }
  }
  return { read: readerOf(leaves), leaves, subtrees, published };
}

/** SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs, as the subtrees whose hashes are its parts. */
function subtreeProof(
  start: number,
  end: number,
  from: number,
  to: number,
  known: boolean,
): { readonly start: number; readonly end: number }[] {
  if (start === end) return [];
  if (start === from && end === to) return known ? [] : [{ start, end }];
  const middle = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
  if (end <= middle) return [...subtreeProof(start, end, from, middle, known), { start: middle, end: to }];
  if (start >= middle) return [...subtreeProof(start, end, middle, to, known), { start: from, end: middle }];
  return [...subtreeProof(middle, end, middle, to, false), { start: from, end: middle }];
}

interface RekorCase {
  readonly case: string;
  readonly logIndex: string;
  readonly treeSize: string;
  readonly rootHash: string;
  readonly hashes: readonly string[];
  readonly canonicalizedBodyBase64: string;
  readonly computedHere: { readonly inclusionProofVerifies: boolean };
}

describe.skipIf(!set.present)(`inclusion proofs of a public log ${set.title}`, () => {
  it("verifies the 60 good ones of 65 and refuses the others", () => {
    const { cases } = set.json("rekor-inclusion.json") as { cases: readonly RekorCase[] };
    let good = 0;
    for (const each of cases) {
      const verify = () =>
        verifyInclusion({
          leafHash: hasher.leaf(bytesOf(each.canonicalizedBodyBase64)),
          index: Number(each.logIndex),
          size: Number(each.treeSize),
          root: bytesOf(each.rootHash),
          proof: (each.hashes ?? []).map(bytesOf),
        });
      if (each.computedHere.inclusionProofVerifies) {
        verify();
        good++;
      } else refusal(verify, ...treeCodes);
    }
    expect([cases.length, good]).toEqual([65, 60]);
  });
});
