import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/model/event.js";
import { entryBytes } from "../../src/model/proof/entry.js";
import { proveInclusion } from "../../src/model/proof/inclusion.js";
import { type ProofDocument, proofDocument } from "../../src/model/proof/proof-document.js";
import { eventBytes, leafHash, verifyProofDocument } from "../../src/verify.js";
import { hasher, MemoryLog } from "./fixtures/exported.js";
import { nodeCrypto, testKey } from "./fixtures/keys.js";
import { bitFlips, refusal } from "./fixtures/refusal.js";
import { authorized } from "./fixtures/small-log.js";

const key = testKey("synapse.local/log", 1);
const events = authorized()
  .effect("effect_attempted", "evt_3", 1)
  .effect("effect_performed", "evt_3", 1)
  .complete("evt_3").events as unknown as readonly AuditEvent[];
const log = new MemoryLog(events.map(entryBytes));
const size = events.length;
const checkpoint = key.checkpoint(size, log.root());
const documentOf = (index: number): ProofDocument =>
  proofDocument(events[index] as AuditEvent, proveInclusion(hasher, log.read, index, size), checkpoint);
const verify = (document: unknown, options = {}) => verifyProofDocument(document, key.vkey, options);

describe("a proof document (synapse-proof/v1)", () => {
  it("proves its event with the key alone, as text, bytes or value", () => {
    for (let index = 0; index < size; index++) {
      const document = documentOf(index);
      const text = JSON.stringify(document, null, 2);
      for (const form of [document, text, Buffer.from(text)]) {
        expect(verify(form)).toEqual({
          event: events[index],
          index,
          checkpoint: { origin: key.key.name, size, root: new Uint8Array(log.root()), extensions: [] },
        });
      }
      expect(verify(text, { crypto: nodeCrypto }).event).toEqual(events[index]);
    }
    expect(Object.keys(documentOf(0))).toEqual(["format", "event", "index", "inclusion", "checkpoint"]);
    expect(documentOf(0).format).toBe("synapse-proof/v1");
    const bytes = eventBytes(events[0] as AuditEvent);
    expect(Buffer.from(leafHash(bytes)).equals(Buffer.from(hasher.leaf(bytes)))).toBe(true);
  });

  it("proves nothing when any member of the event was changed, added or left out", () => {
    const document = documentOf(3);
    const event = document.event as AuditEvent;
    for (const member of Object.keys(event)) {
      refusal(() => verify({ ...document, event: { ...event, [member]: "other" } }), "root_mismatch");
      refusal(
        () =>
          verify({
            ...document,
            event: Object.fromEntries(Object.entries(event).filter(([name]) => name !== member)),
          }),
        "root_mismatch",
      );
    }
    refusal(() => verify({ ...document, event: { ...event, more: 1 } }), "root_mismatch");
    refusal(() => verify({ ...document, event: events[2] }), "root_mismatch");
  });

  it("proves nothing with any bit of its proof flipped, at another index, or under another checkpoint", () => {
    const document = documentOf(3);
    document.inclusion.forEach((hash, i) => {
      for (const flipped of bitFlips(Buffer.from(hash, "base64"))) {
        const inclusion = document.inclusion.map((other, at) =>
          at === i ? Buffer.from(flipped).toString("base64") : other,
        );
        refusal(() => verify({ ...document, inclusion }, { crypto: nodeCrypto }), "root_mismatch");
      }
    });
    for (const index of [0, 2, 4])
      refusal(() => verify({ ...document, index }), "root_mismatch", "proof_too_long", "proof_too_short");
    for (const index of [-1, 0.5, size, 2 ** 53])
      refusal(() => verify({ ...document, index }), "index_out_of_range");
    refusal(
      () => verify({ ...document, inclusion: document.inclusion.slice(1) }),
      "proof_too_short",
      "root_mismatch",
    );
    refusal(
      () => verify({ ...document, inclusion: [...document.inclusion, document.inclusion[0]] }),
      "proof_too_long",
    );
    refusal(
      () => verify({ ...document, checkpoint: key.checkpoint(size, log.root(size - 1)) }),
      "root_mismatch",
    );
    refusal(
      () => verify({ ...document, checkpoint: testKey(key.key.name, 2).checkpoint(size, log.root()) }),
      "unknown_key",
    );
    refusal(
      () => verify({ ...document, checkpoint: key.checkpoint(size, log.root(), "other") }),
      "wrong_origin",
    );
    refusal(() => verifyProofDocument(document, testKey("other", 1).vkey), "unknown_key");
  });

  it("proves no entry that is no event, or that says it is another one", () => {
    const odd = [{ ...events[0], seq: 7 }, { hello: "world" }] as unknown as readonly AuditEvent[];
    const small = new MemoryLog(odd.map(entryBytes));
    const signed = key.checkpoint(2, small.root());
    const of = (index: number) => ({
      format: "synapse-proof/v1",
      event: odd[index],
      index,
      inclusion: proveInclusion(hasher, small.read, index, 2).map((hash) =>
        Buffer.from(hash).toString("base64"),
      ),
      checkpoint: signed,
    });
    refusal(() => verify(of(0)), "wrong_order");
    refusal(() => verify(of(1)), "malformed_entry");
  });

  it("is refused when it is not exactly one", () => {
    const document = documentOf(0);
    const without = (member: string) =>
      Object.fromEntries(Object.entries(document).filter(([name]) => name !== member));
    const wrong: readonly unknown[] = [
      ...Object.keys(document).map(without),
      { ...document, format: "synapse-proof/v2" },
      { ...document, trusted: true },
      { ...document, event: [] },
      { ...document, event: null },
      { ...document, index: "0" },
      { ...document, inclusion: "x" },
      { ...document, inclusion: [7] },
      { ...document, inclusion: ["not base64"] },
      { ...document, inclusion: ["AAAA"] },
      { ...document, inclusion: [`${document.inclusion[0] ?? ""}\n`] },
      { ...document, checkpoint: 7 },
      null,
      7,
      [],
      "",
      "{",
      "7",
      new Uint8Array([0xff]),
      undefined,
      () => 1,
      "x".repeat(3_000_000),
      "[".repeat(1_000_000),
      Object.defineProperty({ ...document }, "index", { get: () => 0, enumerable: true }),
    ];
    for (const each of wrong) refusal(() => verify(each), "malformed_proof");
    refusal(() => verify({ ...document, checkpoint: "x" }), "malformed_note");
  });

  it("is read once: a document that changes while it is read proves what was returned", () => {
    let reads = 0;
    const shifty = new Proxy(
      { ...documentOf(0) },
      {
        getOwnPropertyDescriptor: (target, name) => {
          if (name !== "event") return Object.getOwnPropertyDescriptor(target, name);
          reads++;
          return {
            value: reads === 1 ? events[0] : events[1],
            enumerable: true,
            configurable: true,
            writable: true,
          };
        },
      },
    );
    expect(verify(shifty).event).toEqual(events[0]);
    expect(reads).toBe(1);
  });
});
