import { describe, expect, it } from "vitest";
import { parseCheckpointText, printCheckpoint } from "../../src/model/proof/checkpoint.js";
import { emptyRange, rangeRoot, treeRoot } from "../../src/model/proof/compact-range.js";
import { portableCrypto } from "../../src/model/proof/crypto.js";
import { treeHasher } from "../../src/model/proof/hash.js";
import { noteMessage, parseNote, printNote } from "../../src/model/proof/note.js";
import { parseCheckpoint, verifyCheckpoint, verifyGrowth } from "../../src/verify.js";
import { naiveConsistency, naiveLeaf, naiveRoot } from "../oracle/merkle-oracle.js";
import { nodeCrypto, testKey } from "./fixtures/keys.js";
import { bitFlips, refusal } from "./fixtures/refusal.js";
import { bytesOf, vectors } from "./fixtures/vectors.js";

const set = vectors("1-merkle-tlog");
const hasher = treeHasher(portableCrypto.sha256);
const log = testKey("synapse.local/log", 1);
const leaves: readonly Uint8Array[] = Array.from(
  { length: 20 },
  (_, i) => new Uint8Array(naiveLeaf(Uint8Array.of(i))),
);
const rootOf = (size: number) => new Uint8Array(naiveRoot(leaves, 0, size));
const at = (size: number, root: Uint8Array = rootOf(size), origin = log.key.name) =>
  Object.freeze({ origin, size, root, extensions: [] });

describe("checkpoints (C2SP tlog-checkpoint)", () => {
  it("say what was signed", () => {
    const note = log.checkpoint(7, rootOf(7));
    expect(verifyCheckpoint(note, log.vkey)).toEqual(at(7));
    expect(verifyCheckpoint(Buffer.from(note), [log.key])).toEqual(at(7));
    expect(verifyCheckpoint(note, log.vkey, { crypto: nodeCrypto })).toEqual(at(7));
    expect(parseCheckpoint(note)).toEqual({ checkpoint: at(7), signatures: parseNote(note).signatures });
    expect(printCheckpoint(at(7))).toBe(parseNote(note).text);
  });

  it("are refused with any bit of text or signature flipped", () => {
    const note = new Uint8Array(Buffer.from(log.checkpoint(7, rootOf(7))));
    for (const flipped of bitFlips(note)) {
      refusal(
        () => verifyCheckpoint(flipped, log.vkey),
        "malformed_note",
        "unknown_key",
        "invalid_signature",
      );
    }
  });

  it("are refused by another key, by the same key under another name, and without any key", () => {
    const note = log.checkpoint(7, rootOf(7));
    refusal(() => verifyCheckpoint(note, testKey(log.key.name, 2).vkey), "unknown_key");
    refusal(() => verifyCheckpoint(note, testKey("synapse.local/other", 1).vkey), "unknown_key");
    refusal(() => verifyCheckpoint(note, []), "unknown_key");
    refusal(() => verifyCheckpoint(note, "no key"), "malformed_key");
    refusal(() => verifyCheckpoint(note, [log.vkey, log.vkey]), "ambiguous_key");
  });

  it("of another log are refused even when the key that signed them is trusted", () => {
    const foreign = log.checkpoint(7, rootOf(7), "synapse.local/another");
    refusal(() => verifyCheckpoint(foreign, log.vkey), "wrong_origin");
    refusal(() => verifyCheckpoint(log.checkpoint(7, rootOf(7)), log.vkey, { origin: "x" }), "wrong_origin");
    expect(verifyCheckpoint(foreign, log.vkey, { origin: "synapse.local/another" }).size).toBe(7);
  });

  it("verify with either key around a change of keys", () => {
    const next = testKey(log.key.name, 9);
    const keys = [log.vkey, next.vkey];
    expect(verifyCheckpoint(log.checkpoint(3, rootOf(3)), keys).size).toBe(3);
    expect(verifyCheckpoint(next.checkpoint(4, rootOf(4)), keys).size).toBe(4);
  });

  it("signed by the right key and yet not checkpoints are refused", () => {
    const signed = (text: string) =>
      printNote(text, [{ name: log.key.name, keyId: log.key.keyId, signature: log.sign(noteMessage(text)) }]);
    for (const text of [
      "hello\n",
      "a\n1\n",
      `${log.key.name}\n01\n${Buffer.from(rootOf(1)).toString("base64")}\n`,
    ]) {
      refusal(() => verifyCheckpoint(signed(text), log.vkey), "malformed_checkpoint");
      refusal(() => parseCheckpoint(signed(text)), "malformed_checkpoint");
    }
  });

  it("have sizes from 0 to 2^53 - 1 in one spelling", () => {
    const root = Buffer.from(rootOf(1)).toString("base64");
    for (const size of ["0", "1", "9007199254740991"]) {
      expect(parseCheckpointText(`o\n${size}\n${root}\n`).size).toBe(Number(size));
    }
    for (const size of [
      "",
      "00",
      "01",
      "+1",
      "-1",
      "1.0",
      "1e3",
      " 1",
      "1 ",
      "0x1",
      "9007199254740992",
      "18446744073709551615",
      "١",
    ]) {
      refusal(() => parseCheckpointText(`o\n${size}\n${root}\n`), "malformed_checkpoint");
    }
  });

  it("are not printed from what could not be read back", () => {
    refusal(() => printCheckpoint(at(1, rootOf(1), "")), "malformed_checkpoint");
    refusal(() => printCheckpoint(at(1, rootOf(1), "two\nlines")), "malformed_checkpoint");
    refusal(() => printCheckpoint(at(1, rootOf(1), "tab\t")), "malformed_note");
    refusal(() => printCheckpoint(at(1.5, rootOf(1))), "malformed_checkpoint");
    refusal(() => printCheckpoint(at(-1, rootOf(1))), "malformed_checkpoint");
    refusal(() => printCheckpoint(at(1, new Uint8Array(31))), "malformed_checkpoint");
    refusal(() => printCheckpoint({ ...at(1), extensions: [""] }), "malformed_checkpoint");
    refusal(() => printCheckpoint({ ...at(1), extensions: ["a\nb"] }), "malformed_checkpoint");
    const whole = printCheckpoint(at(9)).trimEnd();
    refusal(() => printCheckpoint(at(1, rootOf(1), whole)), "malformed_checkpoint");
    expect(parseCheckpointText(printCheckpoint({ ...at(1), extensions: ["x", "y z"] })).extensions).toEqual([
      "x",
      "y z",
    ]);
  });
});

describe("from one checkpoint to the next", () => {
  it("a log grows by appending alone", () => {
    for (let older = 1; older <= leaves.length; older++) {
      for (let newer = older; newer <= leaves.length; newer++) {
        verifyGrowth(at(older), at(newer), naiveConsistency(leaves, older, newer));
      }
    }
  });

  it("it never goes backward", () => {
    for (let older = 1; older <= leaves.length; older++) {
      for (let newer = 0; newer < older; newer++) {
        refusal(() => verifyGrowth(at(older), at(newer), []), "checkpoint_behind");
      }
    }
  });

  it("two checkpoints of one size have one root", () => {
    refusal(() => verifyGrowth(at(7), at(7, rootOf(6)), []), "root_mismatch");
    refusal(() => verifyGrowth(at(7, rootOf(6)), at(9), naiveConsistency(leaves, 7, 9)), "root_mismatch");
  });

  it("every log begins with the one empty tree", () => {
    const empty = at(0, rangeRoot(hasher, emptyRange()));
    verifyGrowth(empty, at(5), []);
    verifyGrowth(empty, empty, []);
    refusal(() => verifyGrowth(at(0, rootOf(1)), at(5), []), "root_mismatch");
    refusal(() => verifyGrowth(empty, at(0, rootOf(1)), []), "root_mismatch");
    refusal(() => verifyGrowth(empty, at(5), [rootOf(1)]), "proof_too_long");
  });

  it("two logs are two logs", () => {
    refusal(() => verifyGrowth(at(5), at(5, rootOf(5), "synapse.local/another"), []), "wrong_origin");
    expect(treeRoot(hasher, leaves.slice(0, 5))).toEqual(rootOf(5));
  });
});

interface BodyCase {
  readonly desc: string;
  readonly body: string;
  readonly wantErr: boolean;
  readonly origin?: string;
  readonly size?: string;
}

describe.skipIf(!set.present)(`public checkpoint vectors ${set.title}`, () => {
  const { bodies, specExampleWithCosignature: example } = set.present
    ? (set.json("checkpoints.json") as {
        bodies: readonly BodyCase[];
        specExampleWithCosignature: { note: string; cosignatureTimestamp: number };
      })
    : { bodies: [], specExampleWithCosignature: { note: "", cosignatureTimestamp: 0 } };
  /** Where the lenient readers that the vectors come from take what C2SP tlog-checkpoint does not allow. */
  const stricter: Readonly<Record<string, (body: string) => string>> = {
    "valid with trailing newlines": (body) => body.trimEnd() + "\n",
    "junk at the end ignored": (body) => `${body}\n`,
  };
  const withRealRoot = (body: string) =>
    body
      .split("\n")
      .with(2, Buffer.from(rootOf(1)).toString("base64"))
      .join("\n");

  it("reads and refuses the 18 bodies; where it is stricter, the stricter rule is the only reason", () => {
    const lenient: string[] = [];
    for (const { desc, body, wantErr, origin, size } of bodies) {
      // The reader of one log knows its origin; a body of another log is refused by that.
      if (desc === "wrong first line") {
        const of = "go.sum database tree";
        const key = testKey("go.sum", 1);
        const signed = printNote(body, [
          { name: "go.sum", keyId: key.key.keyId, signature: key.sign(noteMessage(body)) },
        ]);
        refusal(() => verifyCheckpoint(signed, key.vkey, { origin: of }), "wrong_origin");
        continue;
      }
      if (wantErr) {
        refusal(() => parseCheckpointText(body), "malformed_checkpoint");
        continue;
      }
      const root = bytesOf(body.split("\n")[2] ?? "");
      const mended = withRealRoot((stricter[desc] ?? ((text: string) => text))(body));
      if (root.length !== 32 || desc in stricter) {
        refusal(() => parseCheckpointText(body), "malformed_checkpoint");
        lenient.push(desc);
      } else expect(Buffer.from(parseCheckpointText(body).root)).toEqual(Buffer.from(root));
      const read = parseCheckpointText(mended);
      if (origin !== undefined) expect(read.origin).toBe(origin);
      if (size !== undefined) expect(read.size).toBe(Number(size));
    }
    expect(bodies).toHaveLength(18);
    expect(lenient).toEqual([
      "valid one",
      "valid with different origin",
      "valid with trailing data",
      "valid with multiple trailing data lines",
      "valid with trailing newlines",
      "junk at the end ignored",
    ]);
  });

  it("reads the cosigned example of the specification, the time inside the cosignature included", () => {
    const { checkpoint, signatures } = parseCheckpoint(example.note);
    expect([checkpoint.origin, checkpoint.size, signatures.map(({ name }) => name)]).toEqual([
      "example.com/behind-the-sofa",
      20852163,
      ["example.com/behind-the-sofa", "witness.example.com/w1"],
    ]);
    const cosignature = signatures[1]?.signature as Uint8Array;
    const time = new DataView(cosignature.buffer, cosignature.byteOffset).getBigUint64(0);
    expect([Number(time), cosignature.length]).toEqual([example.cosignatureTimestamp, 8 + 64]);
  });

  it("finds the roots and sizes of 58 checkpoints of a public log equal to those of their proofs", () => {
    const { cases } = set.json("rekor-inclusion.json") as {
      cases: readonly {
        checkpoint?: string;
        treeSize: string;
        rootHash: string;
        computedHere: { checkpointMatchesProofRootAndSize: boolean | null };
      }[];
    };
    let matching = 0;
    for (const { checkpoint, treeSize, rootHash, computedHere } of cases) {
      if (checkpoint === undefined) continue;
      const matches = () => {
        const read = parseCheckpoint(checkpoint).checkpoint;
        return read.size === Number(treeSize) && Buffer.from(read.root).equals(bytesOf(rootHash));
      };
      if (computedHere.checkpointMatchesProofRootAndSize === true) {
        // A checkpoint without any signature line is a text, and no note: refused before it is read.
        if (!/\n\n\u2014 /.test(checkpoint)) refusal(matches, "malformed_note");
        else expect(matches()).toBe(true);
        matching++;
      } else {
        let differs = true;
        try {
          differs = !matches();
        } catch (error) {
          expect(["malformed_note", "malformed_checkpoint"]).toContain((error as { code: string }).code);
        }
        expect(differs).toBe(true);
      }
    }
    expect(matching).toBe(58);
  });

  it("refuses the 7 bad proofs in C2SP's text form, which is not a form that is read here", () => {
    const { tlogProofErrors } = set.json("checkpoints.json") as {
      tlogProofErrors: readonly { proof: string }[];
    };
    for (const { proof } of tlogProofErrors) refusal(() => parseCheckpoint(proof), "malformed_note");
    expect(tlogProofErrors).toHaveLength(7);
  });
});
