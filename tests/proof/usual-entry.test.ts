/** What the auditor reads by an expression instead of as JSON: it must never take what JSON and the checks refuse. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/model/canonical.js";
import type { AuditEvent } from "../../src/model/event.js";
import { entryBytes, parseEntry } from "../../src/model/proof/entry.js";
import { shapeFault } from "../../src/model/proof/event-shape.js";
import { grammarChecker } from "../../src/model/proof/grammar.js";
import { readUsualEntry, usualCommitments } from "../../src/model/proof/usual-entry.js";
import { encodeUtf8 } from "../../src/model/proof/utf8.js";
import { State } from "../../src/model/state.js";
import { livelyLog } from "./fixtures/lively-log.js";

const usualTypes = new Set([
  "step_execution_requested",
  "step_execution_authorized",
  "step_execution_denied",
  "step_execution_completed",
  "effect_attempted",
  "effect_performed",
]);
const isPlain = (text: string) => /^[ -~]*$/.test(text) && !text.includes("\\");

let events: readonly AuditEvent[];
let texts: readonly string[];

beforeAll(async () => {
  events = await livelyLog();
  texts = events.filter(({ event }) => usualTypes.has(event)).map((event) => canonicalJson(event));
});

describe("an entry that is read by the expression", () => {
  it("is nearly every one of a step and its uses of handles, and says what the JSON says", () => {
    let read = 0;
    for (const text of texts) {
      const usual = readUsualEntry(text);
      if (usual === undefined) {
        expect(isPlain(text), text).toBe(false);
        continue;
      }
      read++;
      const plain = parseEntry(encodeUtf8(text));
      const members = new Set(texts.flatMap((each) => Object.keys(JSON.parse(each) as object)));
      for (const member of members) expect(usual[member], `${member} of ${text}`).toEqual(plain[member]);
      const commitments = Object.entries(plain).filter(([member]) => member.endsWith("_commitment"));
      expect(
        usualCommitments(usual)
          .map(({ ref }) => ref)
          .sort(),
      ).toEqual(commitments.map(([, ref]) => ref).sort());
    }
    expect(read).toBeGreaterThan(50);
  });

  it("is understood by the grammar and the state as the parsed one is", () => {
    const [parsed, usual] = [grammarChecker(), grammarChecker()];
    const [one, other] = [new State(), new State()];
    for (const event of events) {
      const read = readUsualEntry(canonicalJson(event));
      parsed.check(event);
      one.fold(event);
      if (read === undefined) usual.check(event);
      else usual.place(read);
      other.fold(read ?? event);
      expect(other.lastTime).toBe(one.lastTime);
      expect([...other.open.keys()]).toEqual([...one.open.keys()]);
    }
    for (const link of one.links()) expect(other.link(link.id)?.uses).toBe(link.uses);
  });

  it("is canonical, and its members are what they have to be, however the text was changed", () => {
    const pieces = fc.constantFrom(
      ...['"', "\\", ",", ":", "{", "}", "[", "]", " ", "\n", "0", "-", ".", "e5", "1.0", "00", "null"],
      ...["true", "\\u0041", "é", "\ud800", "\u007f", "\0", '"x":1,', '"a', "A", "999999999999999999"],
    );
    let taken = 0;
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat(3), pieces), { minLength: 1, maxLength: 3 }),
        (which, changes) => {
          let text = texts[which % texts.length] as string;
          for (const [at, cut, piece] of changes) {
            const place = at % text.length;
            text = text.slice(0, place) + piece + text.slice(place + cut);
          }
          if (readUsualEntry(text) === undefined) return;
          taken++;
          expect(shapeFault(parseEntry(encodeUtf8(text)))).toBeUndefined();
        },
      ),
      { numRuns: 20_000 },
    );
    // Changes inside a text member leave a usual entry: without them nothing would have been shown.
    expect(taken).toBeGreaterThan(100);
  });
});

describe("the expression takes", () => {
  const requested = () =>
    JSON.parse(texts.find((text) => text.includes("_requested")) as string) as AuditEvent;
  const isRead = (change: object) =>
    readUsualEntry(new TextDecoder().decode(entryBytes({ ...requested(), ...change }))) !== undefined;

  it.each([
    ["the last day of a month", { timestamp: "2026-12-31T23:59:59.999Z" }],
    ["the largest number of 15 digits", { seq: 999_999_999_999_999 }],
    ["a run", { run_id: "r" }],
    ["a negative seed", { execution_seed: -1 }],
  ])("%s", (_, change) => expect(isRead(change)).toBe(true));

  it.each([
    ["no day that is not in the calendar", { timestamp: "2026-02-30T00:00:00.000Z" }],
    ["not the 29th of February, which has to be looked up", { timestamp: "2028-02-29T00:00:00.000Z" }],
    ["no hour 24", { created_at: "2026-01-01T24:00:00.000Z" }],
    ["no number 0 for an event", { seq: 0 }],
    ["no number of 16 digits", { seq: 1_000_000_000_000_000 }],
    ["no fraction", { attempt: 1.5 }],
    ["no member beside the known", { zzz: 1 }],
    ["no empty name", { agent_id: "" }],
    ["no commitment in capitals", { params_commitment: "A".repeat(64) }],
    ["nothing that is escaped", { step_id: 'a"b' }],
    ["nothing beyond ASCII", { step_id: "é" }],
    ["no other version of the protocol", { protocol_version: "1x0" }],
    ["no other type under this one's members", { event: "step_execution_denied" }],
  ])("%s", (_, change) => expect(isRead(change)).toBe(false));

  it("nothing before or behind the entry", () => {
    const [text] = texts as [string];
    expect(readUsualEntry(text)).toBeDefined();
    for (const other of [` ${text}`, `${text}\n`, `\ufeff${text}`, text.slice(1), `${text}}`])
      expect(readUsualEntry(other)).toBeUndefined();
  });

  it("no entry that is too large", () => {
    expect(isRead({ audit_reference: "x".repeat(60_000) })).toBe(true);
    expect(isRead({ audit_reference: "x".repeat(65_536) })).toBe(false);
  });
});
