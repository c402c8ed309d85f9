import { describe, expect, it } from "vitest";
import type { StoreDriver } from "../../src/core/store.js";
import type { AuditEvent } from "../../src/model/event.js";
import type { Place } from "./contract.js";
import { begin, loaded, numbered, sampleWorld, write } from "./contract-writing.js";

export function recordsContract(name: string, open: () => Place): void {
  describe(`${name}: what is kept beside the log`, () => {
    it("blobs by their event and reference, the first one for good; nothing under others", () => {
      const { driver } = open();
      const blob = {
        ref: "r",
        salt: Uint8Array.of(0, 255),
        bytes: Uint8Array.from({ length: 70_000 }, (_, n) => n & 255),
      };
      const tx = begin(driver);
      tx.putBlob(3, blob);
      tx.putBlob(3, { ...blob, bytes: Uint8Array.of(1) });
      tx.commit();
      const found = driver.blob({ seq: 3, ref: "r" });
      expect([...(found?.salt ?? [])]).toEqual([0, 255]);
      expect(Buffer.from(found?.bytes ?? []).equals(Buffer.from(blob.bytes))).toBe(true);
      expect(driver.blob({ seq: 3, ref: "s" })).toBeUndefined();
      expect(driver.blob({ seq: 2, ref: "r" })).toBeUndefined();
      expect([driver.keepsBlob("r"), driver.keepsBlob("s")]).toEqual([true, false]);
    });

    it("sixteen blobs of an event, and not one more", () => {
      const { driver } = open();
      const blob = (n: number) => ({ ref: `r${n}`, salt: Uint8Array.of(n), bytes: Uint8Array.of(n) });
      const tx = begin(driver);
      for (let n = 0; n < 16; n++) for (const seq of [1, 2]) tx.putBlob(seq, blob(n));
      expect(() => tx.putBlob(1, blob(16))).toThrow(RangeError);
      tx.commit();
      for (let n = 0; n < 16; n++)
        for (const seq of [1, 2]) expect([...(driver.blob({ seq, ref: `r${n}` })?.bytes ?? [])]).toEqual([n]);
      for (const seq of [0, 3]) expect(driver.blob({ seq, ref: "r0" })).toBeUndefined();
    });

    it("a blob that was erased is gone for everybody once that is committed, and the others stay", async () => {
      const { driver, another } = open();
      const blob = (ref: string) => ({ ref, salt: Uint8Array.of(1), bytes: Buffer.from(`bytes of ${ref}`) });
      const put = begin(driver);
      const kept = (store: StoreDriver, ref: string) =>
        [1, 2]
          .map((seq) => store.blob({ seq, ref })?.bytes)
          .map((bytes) => bytes && Buffer.from(bytes).toString());
      for (const ref of ["r", "s"]) for (const seq of [1, 2]) put.putBlob(seq, blob(ref));
      put.commit();
      const tried = begin(driver);
      tried.eraseBlob("r");
      tried.rollback();
      expect(kept(driver, "r")).toEqual(["bytes of r", "bytes of r"]);
      const tx = begin(driver);
      tx.eraseBlob("r");
      tx.eraseBlob("never there");
      tx.commit();
      const other = another();
      for (const each of [driver, ...(other === undefined ? [] : [other])]) {
        expect(kept(each, "r")).toEqual([undefined, undefined]);
        expect(each.keepsBlob("r")).toBe(false);
        expect(kept(each, "s")).toEqual(["bytes of s", "bytes of s"]);
      }
      other?.close();
      expect(await driver.scrub()).toBe(true);
      expect(kept(driver, "r")).toEqual([undefined, undefined]);
      expect(kept(driver, "s")).toEqual(["bytes of s", "bytes of s"]);
    });

    it("scrubbing changes nothing that is kept: events, tree, state, memory, runs, checkpoints", async () => {
      const { driver } = open();
      const { events } = sampleWorld();
      write(driver, events);
      const tx = begin(driver);
      tx.setMemory("k", { a: 1 });
      tx.putCheckpoint({ size: 3, note: "n" });
      tx.commit();
      const seen = () => ({
        events: driver.readEvents({}),
        head: driver.treeHead(),
        memory: driver.memoryValue("k"),
        runs: driver.runs(10),
        checkpoint: driver.checkpoint(),
        links: [...loaded(driver).links()].map(({ id, uses }) => ({ id, uses })),
      });
      const before = seen();
      expect(await driver.scrub()).toBe(true);
      expect(seen()).toEqual(before);
      const last = events.at(-1)?.seq ?? 0;
      write(driver, [{ ...(numbered([{ event: "x_more" }])[0] as AuditEvent), seq: last + 1 }]);
      expect(driver.treeHead().size).toBe(last + 1);
    });

    it("the last event that replaced the key, and none before the first", () => {
      const { driver, another } = open();
      expect(driver.keyRotation()).toBeUndefined();
      const rotations = ["k1", "k2"].map((key) => ({
        event: "key_rotated",
        old_vkey: "k",
        new_vkey: key,
        by: "o",
      }));
      write(driver, numbered([{ event: "x_a" }, ...rotations, { event: "x_b" }]));
      for (const each of [driver, another() ?? driver])
        expect(each.keyRotation()).toMatchObject({ seq: 3, new_vkey: "k2" });
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
