import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseBase64, printBase64 } from "../../src/model/proof/base64.js";
import { portableCrypto } from "../../src/model/proof/crypto.js";
import {
  noteMessage,
  type NoteVerifier,
  openNote,
  parseNote,
  printNote,
} from "../../src/model/proof/note.js";
import {
  ed25519Verifier,
  parseVerifierKey as parseKey,
  printVerifierKey,
  signedNote,
  verifierKey,
} from "../../src/model/proof/verifier-key.js";
import { parseVerifierKey } from "../../src/verify.js";
import { nodeCrypto, testKey } from "./fixtures/keys.js";
import { bitFlips, refusal } from "./fixtures/refusal.js";
import { bytesOf, vectors } from "./fixtures/vectors.js";

const set = vectors("1-merkle-tlog");
const alice = testKey("example.com/alice", 1);
const bob = testKey("example.com/bob", 2);
const text = "first line\n\nafter an empty one\n";
const line = (key: typeof alice, of = text) => ({
  name: key.key.name,
  keyId: key.key.keyId,
  signature: key.sign(noteMessage(of)),
});
const verifierOf = (key: typeof alice) => ed25519Verifier(portableCrypto, key.key);

describe("signed notes (C2SP signed-note)", () => {
  it("come back as they were printed", () => {
    const signatures = [line(alice), line(bob)];
    const note = printNote(text, signatures);
    expect(parseNote(note)).toEqual({ text, signatures });
    expect(parseNote(Buffer.from(note))).toEqual({ text, signatures });
    const opened = openNote(note, [verifierOf(bob)]);
    expect(opened).toEqual({ text, verified: [signatures[1]], unverified: [signatures[0]] });
  });

  it("are refused with any bit flipped in text or signature", () => {
    const note = new Uint8Array(Buffer.from(printNote("log\n1\nroot\n", [line(alice, "log\n1\nroot\n")])));
    for (const flipped of bitFlips(note)) {
      refusal(
        () => openNote(flipped, [verifierOf(alice)]),
        "malformed_note",
        "unknown_key",
        "invalid_signature",
      );
    }
  });

  it("take no signature by an unknown key for a good one, even one that shares a name or an id", () => {
    const other = testKey("example.com/alice", 3);
    refusal(() => openNote(printNote(text, [line(other)]), [verifierOf(alice)]), "unknown_key");
    const sameId = { ...line(alice), name: "example.com/mallory" };
    refusal(() => openNote(printNote(text, [sameId]), [verifierOf(alice)]), "unknown_key");
    refusal(() => openNote(printNote(text, [line(alice)]), []), "unknown_key");
    const posing = { ...line(other), keyId: alice.key.keyId };
    refusal(() => openNote(printNote(text, [posing]), [verifierOf(alice)]), "invalid_signature");
  });

  it("are refused when a known key has a bad signature beside a good one", () => {
    const bad = { ...line(alice), signature: line(alice, "another\n").signature };
    refusal(() => openNote(printNote(text, [line(alice), bad]), [verifierOf(alice)]), "invalid_signature");
    refusal(
      () => openNote(printNote(text, [bad, line(bob)]), [verifierOf(alice), verifierOf(bob)]),
      "invalid_signature",
    );
  });

  it("refuse signatures that verify for many messages: keys of small order, R and S out of range", () => {
    const zero = new Uint8Array(32);
    const identity = Uint8Array.of(1, ...zero.subarray(1));
    for (const weak of [zero, identity]) {
      const verifier = ed25519Verifier(portableCrypto, verifierKey(nodeCrypto.sha256, "weak", weak));
      expect(verifier.verify(noteMessage(text), Uint8Array.of(...identity, ...zero))).toBe(false);
    }
    const good = line(alice).signature;
    expect(verifierOf(alice).verify(noteMessage(text), good)).toBe(true);
    // S + L is congruent to S: the malleable twin of every signature.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    let s = BigInt(`0x${Buffer.from(good.slice(32)).reverse().toString("hex")}`) + order;
    const twin = Uint8Array.from(good);
    for (let i = 32; i < 64; i++, s >>= 8n) twin[i] = Number(s & 255n);
    expect(verifierOf(alice).verify(noteMessage(text), twin)).toBe(false);
    for (const length of [0, 1, 63, 65])
      expect(verifierOf(alice).verify(noteMessage(text), new Uint8Array(length))).toBe(false);
  });

  it("hold up to 100 signatures and a million bytes", () => {
    const many = (count: number) =>
      printNote(
        text,
        Array.from({ length: count }, () => line(alice)),
      );
    expect(openNote(many(100), [verifierOf(alice)]).verified).toHaveLength(1);
    refusal(() => openNote(many(101), [verifierOf(alice)]), "malformed_note");
    refusal(() => parseNote(`${"x".repeat(1_000_000)}\n\n`), "malformed_note");
    refusal(() => parseNote(new Uint8Array(1_000_001)), "malformed_note");
  });

  it("are refused when they are not exactly of the form", () => {
    const note = printNote(text, [line(alice)]);
    const [, signature = ""] = /(\S+)\n$/.exec(note) ?? [];
    const broken: readonly string[] = [
      "",
      "\n",
      "\n\n",
      text,
      `${text}\n`,
      note.slice(0, -1),
      `${note}\n`,
      `${note}more\n`,
      note.replace("\u2014 ", "\u2014"),
      note.replace("\u2014 ", "- "),
      note.replace("\u2014 ", "\u2014  "),
      note.replace(`${signature}\n`, ` ${signature}\n`),
      note.replace(`${signature}\n`, `${signature} \n`),
      note.replace("\n\u2014", "\r\n\u2014"),
      note.replace("first", "fir\tst"),
      note.replace("first", "fir\u0000st"),
      note.replace("first", "fir\ud800st"),
      note.replace("example.com/alice", "example.com/a+b"),
      note.replace("example.com/alice", "a\u00a0b"),
      note.replace("example.com/alice", "a\u2003b"),
      note.replace(signature, signature.replaceAll("=", "")),
      note.replace(signature, `${signature.slice(0, 8)}\t${signature.slice(8)}`),
      note.replace(signature, "AAAAAA=="),
      note.replace(signature, "AAA"),
    ];
    for (const each of broken) refusal(() => parseNote(each), "malformed_note");
    refusal(() => parseNote(Uint8Array.of(0xff, ...Buffer.from(note))), "malformed_note");
    // A byte order mark is part of the text: dropped silently, other bytes would be verified than were read.
    expect(parseNote(Uint8Array.of(0xef, 0xbb, 0xbf, ...Buffer.from(note))).text).toBe(`\ufeff${text}`);
  });

  it("are not printed from what could not be read back", () => {
    refusal(() => printNote("no newline", [line(alice)]), "malformed_note");
    refusal(() => printNote("tab\t\n", [line(alice)]), "malformed_note");
    refusal(() => printNote("lone \ud800\n", [line(alice)]), "malformed_note");
    refusal(() => printNote(text, []), "malformed_note");
    refusal(() => printNote(text, [{ ...line(alice), name: "a b" }]), "malformed_note");
  });

  it("are not made from what a signer answered for another text or key", () => {
    const message = noteMessage(text);
    expect(
      openNote(signedNote(portableCrypto, text, alice.key, alice.sign(message)), [verifierOf(alice)]).text,
    ).toBe(text);
    refusal(() => signedNote(portableCrypto, text, alice.key, bob.sign(message)), "invalid_signature");
    refusal(
      () => signedNote(portableCrypto, text, alice.key, alice.sign(noteMessage("other\n"))),
      "invalid_signature",
    );
    refusal(() => signedNote(portableCrypto, text, alice.key, new Uint8Array(0)), "invalid_signature");
  });
});

describe("verifier keys", () => {
  it("come back as they were printed, plus signs in base64 included", () => {
    const seen = new Set<boolean>();
    for (let seed = 0; seed < 60; seed++) {
      const { key, vkey } = testKey("log.example/ü", seed);
      seen.add(vkey.split("+").length > 3);
      expect(parseVerifierKey(vkey)).toEqual(key);
      expect(printVerifierKey(parseKey(nodeCrypto.sha256, vkey))).toBe(vkey);
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  it("are refused with a name that cannot be one, or a key of another length", () => {
    const key = alice.key.publicKey;
    for (const name of ["", "a b", "a+b", "a\u2028b", "a\nb", "a\u007fb", "a\ud800"]) {
      refusal(() => verifierKey(nodeCrypto.sha256, name, key), "malformed_key");
    }
    refusal(() => verifierKey(nodeCrypto.sha256, "a", key.subarray(1)), "malformed_key");
    refusal(() => parseVerifierKey(""), "malformed_key");
    refusal(() => parseVerifierKey("x".repeat(100_000)), "malformed_key");
    refusal(() => parseVerifierKey(alice.vkey.toUpperCase()), "malformed_key");
  });
});

interface OpenCase {
  readonly desc: string;
  readonly note?: string;
  readonly noteHex?: string;
  readonly verifiers: readonly string[];
  readonly want: string;
  readonly verified?: readonly string[];
  readonly unverified?: readonly string[];
}

interface NoteVectors {
  readonly open: readonly OpenCase[];
  readonly vkeys: readonly { readonly vkey: string; readonly valid: boolean }[];
  readonly signing: { readonly skey: string; readonly text: string; readonly want: string };
}

describe.skipIf(!set.present)(`public signed-note vectors ${set.title}`, () => {
  it("opens and refuses the 19 notes as the reference does", () => {
    const { open } = set.json("signed-notes.json") as NoteVectors;
    const codeFor = (want: string) =>
      want.startsWith("reject: malformed")
        ? "malformed_note"
        : want.startsWith("reject: ambiguous")
          ? "ambiguous_key"
          : want.startsWith("reject: invalid signature")
            ? "invalid_signature"
            : "unknown_key";
    for (const each of open) {
      const note =
        each.noteHex === undefined ? (each.note ?? "") : new Uint8Array(Buffer.from(each.noteHex, "hex"));
      const verifiers = each.verifiers.map((vkey) => ed25519Verifier(portableCrypto, parseVerifierKey(vkey)));
      if (each.want === "ok") {
        const { verified, unverified } = openNote(note, verifiers);
        expect(verified.map(({ name }) => name)).toEqual(each.verified);
        expect(unverified.map(({ name }) => name)).toEqual(
          each.unverified?.map((name) => name.split(" ")[0]),
        );
      } else refusal(() => openNote(note, verifiers), codeFor(each.want));
    }
    expect(open).toHaveLength(19);
  });

  it("takes the good verifier keys and refuses the bad ones", () => {
    const { vkeys } = set.json("signed-notes.json") as NoteVectors;
    for (const { vkey, valid } of vkeys) {
      if (valid) expect(printVerifierKey(parseVerifierKey(vkey))).toBe(vkey);
      else refusal(() => parseVerifierKey(vkey), "malformed_key");
    }
    expect(vkeys).toHaveLength(8);
  });

  it("refuses every proper substring of a good key, and every key with one character moved on", () => {
    const { vkeys } = set.json("signed-notes.json") as NoteVectors;
    let tried = 0;
    for (const { vkey } of vkeys.filter(({ valid }) => valid)) {
      for (let start = 0; start < vkey.length; start++) {
        for (let end = start; end <= vkey.length; end++) {
          if (end - start === vkey.length) continue;
          refusal(() => parseVerifierKey(vkey.slice(start, end)), "malformed_key");
          tried++;
        }
        const moved = String.fromCharCode(vkey.charCodeAt(start) + 1);
        refusal(
          () => parseVerifierKey(vkey.slice(0, start) + moved + vkey.slice(start + 1)),
          "malformed_key",
        );
      }
    }
    expect(tried).toBeGreaterThan(5_000);
  });

  it("signs the reference text to the reference note", () => {
    const { signing } = set.json("signed-notes.json") as NoteVectors;
    const [, , name = "", , ...secret] = signing.skey.split("+");
    const key = testKey(name, bytesOf(secret.join("+")).slice(1));
    expect(signedNote(portableCrypto, signing.text, key.key, key.sign(noteMessage(signing.text)))).toBe(
      signing.want,
    );
    refusal(() => noteMessage("abc"), "malformed_note");
  });
});

interface Rekor {
  readonly case: string;
  readonly checkpoint?: string;
  readonly trustedLogs: readonly {
    readonly baseUrl: string;
    readonly publicKey: { readonly rawBytes: string; readonly keyDetails: string };
    readonly logId: { readonly keyId: string };
  }[];
  readonly computedHere: {
    readonly checkpointSignatures:
      readonly { readonly name: string; readonly verifiesWith: string | false }[] | null;
  };
}

/** A verifier for another algorithm or key id than this package has, through the port that is open for it. */
function foreignVerifier(
  name: string,
  keyId: Uint8Array,
  spki: Uint8Array,
  digest: string | null,
): NoteVerifier {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  return {
    name,
    keyId: new DataView(keyId.buffer, keyId.byteOffset).getUint32(0),
    verify: (message, signature) => verify(digest, message, key, signature),
  };
}

describe.skipIf(!set.present)(`checkpoints of a public log ${set.title}`, () => {
  it("opens a checkpoint signed with ECDSA through a verifier of that algorithm, and refuses such a key as its own", () => {
    const { ecdsaNotes } = set.json("checkpoints.json") as {
      ecdsaNotes: readonly { vkey: string; note: string }[];
    };
    for (const { vkey, note } of ecdsaNotes) {
      refusal(() => parseVerifierKey(vkey), "malformed_key");
      const [name = "", id = "", ...rest] = vkey.split("+");
      const spki = bytesOf(rest.join("+")).slice(1);
      const verifier = foreignVerifier(name, Buffer.from(id, "hex"), spki, "sha256");
      expect(openNote(note, [verifier]).verified.map((signature) => signature.name)).toEqual([name]);
      refusal(() => openNote(note.replace("798034", "798035"), [verifier]), "invalid_signature");
    }
    expect(ecdsaNotes).toHaveLength(1);
  });

  it("finds in 65 bundles the signatures that were found before, by the same logs", () => {
    const { cases } = set.json("rekor-inclusion.json") as { cases: readonly Rekor[] };
    let opened = 0;
    for (const { checkpoint, trustedLogs, computedHere } of cases) {
      const expected = (computedHere.checkpointSignatures ?? []).filter(
        ({ verifiesWith }) => verifiesWith !== false,
      );
      if (checkpoint === undefined || trustedLogs.length === 0) continue;
      const verifiers = trustedLogs.map(({ baseUrl, publicKey, logId }) =>
        foreignVerifier(
          new URL(baseUrl).host,
          bytesOf(logId.keyId),
          bytesOf(publicKey.rawBytes),
          publicKey.keyDetails === "PKIX_ED25519" ? null : "sha256",
        ),
      );
      if (expected.length === 0) {
        refusal(() => openNote(checkpoint, verifiers), "unknown_key", "malformed_note", "invalid_signature");
        continue;
      }
      const names = openNote(checkpoint, verifiers).verified.map(({ name }) => name);
      expect(names).toEqual(expected.map(({ name }) => name));
      opened++;
    }
    expect(opened).toBe(31);
  });
});

describe("base64 (RFC 4648, section 4)", () => {
  it("has one spelling", () => {
    for (let length = 0; length < 40; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 97 + length) & 255);
      expect(printBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
      expect(parseBase64(printBase64(bytes))).toEqual(bytes);
    }
    // Stray trailing bits, missing or misplaced padding, white space, the alphabet of URLs.
    for (const text of [
      "QR==",
      "QUJ=",
      "QQ",
      "QQ=",
      "Q===",
      "====",
      "QQ==QQ==",
      "QQ==\n",
      " QQ==",
      "QUI_",
      "QUI-",
      "QU\u0130B",
    ]) {
      expect(parseBase64(text), text).toBeUndefined();
    }
  });
});
