import { describe, expect, it } from "vitest";
import type { StoreDriver } from "../../src/core/store.js";
import type { AuditEvent } from "../../src/model/event.js";
import type { Place } from "./contract.js";
import { begin, numbered, write } from "./contract-writing.js";

export function recordsContract(name: string, open: () => Place): void {
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
