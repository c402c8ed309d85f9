import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/model/event.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import type { Place } from "./contract.js";
import { append, begin, loaded, sampleWorld, write } from "./contract-writing.js";

export function appendingContract(name: string, open: () => Place): void {
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
      tx.putBlob(1, { ref: "r", salt: Uint8Array.of(1), bytes: Uint8Array.of(2) });
      tx.setMemory("k", 1);
      tx.rollback();
      expect(driver.eventsAfter(0)).toEqual(events.slice(0, 2));
      expect(dumpState(loaded(driver))).toEqual(before);
      expect([driver.keepsBlob("r"), driver.memoryValue("k"), driver.policyFiles()]).toEqual([
        false,
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
}
