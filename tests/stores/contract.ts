import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { StoreDriver, StoreTransaction } from "../../src/core/store.js";
import { canonicalJson } from "../../src/model/canonical.js";
import { changesOf } from "../../src/model/change.js";
import { decide } from "../../src/model/decide.js";
import type { AuditEvent } from "../../src/model/event.js";
import { State } from "../../src/model/state.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import { asked, deeds, worldOf } from "../model/fixtures/random-world.js";
import { requestOf, World } from "../model/fixtures/world.js";

/** A place where a store's data is, and the ways to it. */
export interface Place {
  /** The driver that is open. */
  readonly driver: StoreDriver;
  /** Another driver on the same data, as a second process has it; undefined where there is no such thing. */
  another(): StoreDriver | undefined;
  /** Closes everything and removes the data. */
  remove(): void;
}

/** What every store promises the log, whatever it is made of (see `StoreDriver`). */
export function storeContract(name: string, make: () => Place): void {
  let place: Place | undefined;
  const open = (): Place => (place = make());
  afterEach(() => {
    place?.remove();
    place = undefined;
  });

  describe(`${name}: appending`, () => {
    it("is all there after a commit, in order, as the documents that were written", () => {
      const { driver, another } = open();
      const { events } = sampleWorld();
      write(driver, events.slice(0, 3));
      write(driver, events.slice(3));
      for (const reader of [driver, another() ?? driver]) {
        expect(reader.eventsAfter(0)).toEqual(events);
        expect(reader.eventsAfter(events.length - 2)).toEqual(events.slice(-2));
        expect(reader.eventsAfter(events.length)).toEqual([]);
        expect(reader.readEvents({})).toEqual(events);
      }
    });

    it("leaves nothing after a rollback: no event, no projection, no blob, no memory", () => {
      const { driver } = open();
      const { events } = sampleWorld();
      write(driver, events.slice(0, 2));
      const before = dumpState(loaded(driver));
      const tx = begin(driver);
      for (const event of events.slice(2)) append(tx, event);
      tx.putBlob({ ref: "r", salt: Uint8Array.of(1), bytes: Uint8Array.of(2) });
      tx.setMemory("k", 1);
      tx.rollback();
      expect(driver.eventsAfter(0)).toEqual(events.slice(0, 2));
      expect(dumpState(loaded(driver))).toEqual(before);
      expect([driver.blob("r"), driver.memoryValue("k"), driver.policyFiles()]).toEqual([
        undefined,
        undefined,
        [],
      ]);
      expect(driver.runs(10)).toEqual([]);
      write(driver, events.slice(2));
      expect(driver.eventsAfter(0)).toEqual(events);
    });

    it("a transaction that was rolled back twice, or after its commit, harms nothing", () => {
      const { driver } = open();
      const { events } = sampleWorld();
      const tx = begin(driver);
      append(tx, events[0] as AuditEvent);
      tx.commit();
      tx.rollback();
      const second = begin(driver);
      second.rollback();
      second.rollback();
      expect(driver.eventsAfter(0)).toEqual(events.slice(0, 1));
    });

    it("a number that is taken cannot be taken again", () => {
      const { driver } = open();
      const { events } = sampleWorld();
      write(driver, events.slice(0, 1));
      const tx = begin(driver);
      expect(() => append(tx, events[0] as AuditEvent)).toThrow();
      tx.rollback();
      expect(driver.eventsAfter(0)).toEqual(events.slice(0, 1));
    });

    it("is one at a time: the second is turned away at once, and sees afterwards what the first wrote", () => {
      const { driver, another } = open();
      const other = another();
      if (other === undefined) return expect(driver.location).toBe(":memory:");
      const { events } = sampleWorld();
      const tx = begin(driver);
      append(tx, events[0] as AuditEvent);
      expect(other.begin()).toBeUndefined();
      expect(other.eventsAfter(0)).toEqual([]);
      tx.commit();
      const second = begin(other);
      expect(second.eventsAfter(0)).toEqual(events.slice(0, 1));
      expect(second.eventsAfter(1)).toEqual([]);
      second.rollback();
    });
  });

  describe(`${name}: the state of authority`, () => {
    it("loaded from the tables it is the fold of the log, and decides alike (DESIGN, D6)", () => {
      fc.assert(
        fc.property(
          deeds,
          fc.array(asked, { maxLength: 4 }),
          fc.array(fc.nat(5), { maxLength: 8 }),
          (all, asks, cuts) => {
            const { driver, another, remove } = make();
            try {
              const world = worldOf(all);
              writeInPieces(driver, world.events, cuts);
              for (const reader of [driver, another() ?? driver]) {
                const state = loaded(reader);
                expect(dumpState(state)).toEqual(dumpState(world.state));
                for (const question of asks) {
                  const request = requestOf(question.requirements, question);
                  expect(decide(request, state, world.at)).toEqual(decide(request, world.state, world.at));
                }
              }
            } finally {
              remove();
            }
          },
        ),
        { numRuns: 60, seed: 9 },
      );
    });

    it("a replacement's window goes where a window is, and nowhere else (E5)", () => {
      const { driver } = open();
      const world = new World();
      world.issue("fs:read");
      const rates = [
        { limit: 2, per: "60s" },
        undefined,
        { limit: 3, per: "300s" },
        { limit: 1, per: "30s" },
        { limit: 5, per: "300s" },
      ];
      let supersedes: string | undefined;
      for (const rate of rates) {
        const binding = world.bind("a", "fs:read", {
          constraints: rate === undefined ? {} : { rate },
          supersedes,
        });
        if (supersedes !== undefined) world.revoke(world.state.binding(supersedes) ?? binding);
        supersedes = binding.id;
        for (let n = 0; n < 3; n++) {
          world.step("fs:read:/x");
          world.at += 25_000;
        }
      }
      write(driver, world.events);
      expect(dumpState(loaded(driver))).toEqual(dumpState(world.state));
    });

    it("time goes on from the last event (D8), suspended agents and open steps are known", () => {
      const { driver } = open();
      const world = new World();
      world.issue("fs:read");
      world.bind("a", "fs:read");
      world.suspend("b");
      world.at += 5_000;
      world.step("fs:read:/x");
      write(driver, world.events);
      const state = loaded(driver);
      expect([state.seq, state.lastTime]).toEqual([world.events.length, world.at]);
      expect([...state.suspended]).toEqual(["b"]);
      expect([...state.open.values()]).toEqual([world.events.at(-1)]);
    });
  });

  describe(`${name}: what is kept beside the log`, () => {
    it("blobs by reference, the first one for good; nothing under a reference that is not there", () => {
      const { driver } = open();
      const blob = {
        ref: "r",
        salt: Uint8Array.of(0, 255),
        bytes: Uint8Array.from({ length: 70_000 }, (_, n) => n & 255),
      };
      const tx = begin(driver);
      tx.putBlob(blob);
      tx.putBlob({ ...blob, bytes: Uint8Array.of(1) });
      tx.commit();
      const found = driver.blob("r");
      expect([...(found?.salt ?? [])]).toEqual([0, 255]);
      expect(Buffer.from(found?.bytes ?? []).equals(Buffer.from(blob.bytes))).toBe(true);
      expect(driver.blob("s")).toBeUndefined();
    });

    it("memory: the last value, null and false included, `undefined` for what was never set", () => {
      const { driver, another } = open();
      for (const value of [null, false, 0, "", [], { a: [1, { b: "é" }] }]) {
        const tx = begin(driver);
        tx.setMemory("k", value);
        tx.commit();
        expect((another() ?? driver).memoryValue("k")).toEqual(value);
      }
      expect(driver.memoryValue("K")).toBeUndefined();
    });

    it("runs, newest first, with how they ended", () => {
      const { driver } = open();
      write(
        driver,
        numbered([
          { event: "run_started", run_id: "r1", workflow_id: "w" },
          { event: "run_started", run_id: "r2", workflow_id: "w" },
          { event: "run_started", run_id: "r3", workflow_id: "v" },
          { event: "run_completed", run_id: "r1", status: "failed" },
          { event: "run_cancelled", run_id: "r2" },
        ]),
      );
      const ended_at = "2026-01-01T00:00:00.000Z";
      expect(driver.runs(2)).toMatchObject([
        { run_id: "r3", status: "running", ended_at: null },
        { run_id: "r2", status: "cancelled", ended_at },
      ]);
      expect(driver.run("r1")).toMatchObject({ workflow: "w", status: "failed", ended_at });
      expect(driver.run("r4")).toBeUndefined();
    });

    it("files of applied policies, the last one of each name", () => {
      const { driver } = open();
      write(
        driver,
        numbered([
          { event: "policy_applied", policy: "p", file: "/a.yaml" },
          { event: "policy_applied", policy: "q", file: "/q.yaml" },
          { event: "policy_applied", policy: "p", file: "/b.yaml" },
          { event: "policy_applied", policy: "n" },
        ]),
      );
      expect([...driver.policyFiles()].sort()).toEqual(["/b.yaml", "/q.yaml"]);
    });

    it("events by type, agent, run, position and number, all together, in log order", () => {
      const { driver } = open();
      const events = numbered(
        Array.from({ length: 30 }, (_, n) => ({
          event: n % 2 ? "x_odd" : "x_even",
          agent_id: `a${n % 3}`,
          run_id: n % 5 ? null : "r",
        })),
      );
      write(driver, events);
      const expected = (fits: (event: AuditEvent) => boolean) =>
        events.filter(fits).map((event) => event.seq);
      const seqs = (filter: Parameters<StoreDriver["readEvents"]>[0]) =>
        driver.readEvents(filter).map((event) => event.seq);
      expect(seqs({ event: "x_odd" })).toEqual(expected((event) => event.event === "x_odd"));
      expect(seqs({ agentId: "a1", after: 10 })).toEqual(
        expected((event) => event["agent_id"] === "a1" && event.seq > 10),
      );
      expect(seqs({ runId: "r", event: "x_even" })).toEqual(
        expected((event) => event["run_id"] === "r" && event.event === "x_even"),
      );
      expect(seqs({ agentId: "a1", limit: 2 })).toEqual(
        expected((event) => event["agent_id"] === "a1").slice(0, 2),
      );
      expect(seqs({ agentId: "a1", limit: 2, newest: true })).toEqual(
        expected((event) => event["agent_id"] === "a1").slice(-2),
      );
      expect(seqs({ event: "x_odd' OR 1=1 --" })).toEqual([]);
    });
  });
}

function sampleWorld(): World {
  const world = new World();
  world.issue("fs:read", { delegable: true, constraints: { max_uses: 5, rate: { limit: 3, per: "1m" } } });
  world.bind("a", "fs:read", { expiresAt: "1h" });
  world.step("fs:read:/x");
  world.suspend("b");
  world.tx.emit({ event: "policy_applied", policy: "p", file: "/p.yaml" });
  world.tx.emit({ event: "run_started", run_id: "r", workflow_id: "w" });
  world.tx.emit({ event: "x_note", text: 'quotes " and \u2028 and 😀', n: 1e21, deep: [[[{}]]] });
  return world;
}

function numbered(
  bodies: readonly { readonly event: string; readonly [member: string]: string | null }[],
): AuditEvent[] {
  return bodies.map((body, n) => ({
    ...body,
    id: `evt-${n + 1}`,
    seq: n + 1,
    timestamp: "2026-01-01T00:00:00.000Z",
    protocol_version: "1.0",
  }));
}

function begin(driver: StoreDriver): StoreTransaction {
  const tx = driver.begin();
  if (tx === undefined) throw new Error("somebody else is writing");
  return tx;
}

function append(tx: StoreTransaction, event: AuditEvent): void {
  tx.append(event, canonicalJson(event), changesOf(event));
}

function write(driver: StoreDriver, events: readonly AuditEvent[]): void {
  const tx = begin(driver);
  for (const event of events) append(tx, event);
  tx.commit();
}

/** In transactions of different sizes, each tried once and taken back before it stands. */
function writeInPieces(driver: StoreDriver, events: readonly AuditEvent[], cuts: readonly number[]): void {
  let from = 0;
  for (const size of [...cuts, events.length]) {
    const piece = events.slice(from, from + size);
    const tried = begin(driver);
    for (const event of piece) append(tried, event);
    tried.rollback();
    write(driver, piece);
    from += piece.length;
  }
}

function loaded(driver: StoreDriver): State {
  const state = new State();
  driver.load(state);
  return state;
}
