import { afterEach, describe, expect, it } from "vitest";
import { createBinding, issueContract, revokeLink } from "../../src/core/authority.js";
import { adminLane } from "../../src/core/lanes.js";
import type { Tx } from "../../src/core/ledger.js";
import { AuditUnavailableError } from "../../src/model/errors.js";
import type { AuditEvent } from "../../src/model/event.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { expectConsistent, type LedgerWorld, note, notes, openLedger } from "./fixtures/ledger-world.js";

let world: LedgerWorld | undefined;
const open = (): LedgerWorld => (world = openLedger());
afterEach(() => {
  world?.close();
  world = undefined;
});

describe("a write that fails (fail closed)", () => {
  it.each([
    ["before commit", 0],
    ["append", 0],
    ["after commit", 1],
  ] as const)(
    "%s: everyone of the batch is refused, and the log goes on from what is really there",
    async (fault, kept) => {
      const opened = open();
      const { ledger, watch } = opened;
      const contract = await ledger.submit(adminLane, (tx) =>
        issueContract(tx, { capability: "fs:read", issuedBy: "o" }),
      );
      const told: AuditEvent[] = [];
      ledger.listen((event) => told.push(event));
      watch.fault = fault;
      const jobs = [ledger.submit("a", (tx) => revokeLink(tx, contract, "o")), ledger.submit("b", note(1))];
      for (const job of jobs) {
        const error = await refusal(job, AuditUnavailableError, "audit_unavailable");
        expect(error.message).toContain("disk I/O error");
        expect(error.hint).toContain(opened.file);
      }
      expect(watch.driver.eventsAfter(1)).toHaveLength(kept * 2);
      expect(ledger.state.contract(contract.id)?.revokedSeq).toBe(kept === 1 ? 2 : undefined);
      await ledger.submit("a", note(2));
      expectConsistent(opened);
      // Nothing that is in the log was kept from the listeners, and nothing that is not was told.
      expect(told).toEqual(watch.driver.eventsAfter(1));
    },
  );

  it("with no room left but the reserve, steps are refused and revocations are not (D9)", async () => {
    const opened = open();
    const { ledger, watch } = opened;
    watch.freeBytes = 200 * 1024;
    const outcomes = await Promise.allSettled([
      ledger.submit("admin", note(1)),
      ledger.submit(adminLane, note(2)),
    ]);
    expect(outcomes).toMatchObject([{ reason: { code: "audit_unavailable" } }, { status: "fulfilled" }]);
    watch.freeBytes = undefined;
    await ledger.submit("a", note(3));
    expect(notes(opened)).toEqual([2, 3]);
  });

  it("waits while another process writes, and then goes on in order", async () => {
    const opened = open();
    const { ledger, watch } = opened;
    watch.busy = true;
    const jobs = [1, 2].map((n) => ledger.submit("a", note(n)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    jobs.push(ledger.submit("a", note(3)));
    expect(notes(opened)).toEqual([]);
    watch.busy = false;
    await Promise.all(jobs);
    expect(notes(opened)).toEqual([1, 2, 3]);
  });
});

describe("what another process wrote", () => {
  it("is folded before anything is decided, and told as foreign", async () => {
    const opened = open();
    const { ledger, another } = opened;
    const other = another();
    const told: [unknown, boolean][] = [];
    ledger.listen((event, foreign) => told.push([event["n"], foreign]));
    await other.submit("a", note(1));
    await other.submit("a", note(2));
    expect(ledger.state.seq).toBe(0);
    await ledger.submit("a", (tx) => (expect(tx.state.seq).toBe(2), note(3)(tx)));
    await other.submit("a", note(4));
    ledger.refresh();
    ledger.refresh();
    expect(told).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [4, true],
    ]);
    expectConsistent(opened);
  });

  it("a revocation by it counts against what is queued already (D5, D7)", async () => {
    const { ledger, another } = open();
    const contract = await ledger.submit(adminLane, (tx) =>
      issueContract(tx, { capability: "fs:read", issuedBy: "o" }),
    );
    const other = another();
    const bind = (tx: Tx) =>
      createBinding(tx, { agentId: "a", capability: "fs:read", createdBy: "o", contractId: contract.id });
    await other.submit(adminLane, (tx) => revokeLink(tx, tx.state.contract(contract.id) ?? contract, "o"));
    await expect(ledger.submit(adminLane, bind)).rejects.toMatchObject({ code: "no_authority" });
  });
});

describe("listeners", () => {
  it("one that throws harms neither the log nor those who wait, and its error is not lost", async () => {
    const { ledger } = open();
    const kept = process.listeners("uncaughtException");
    const lost: unknown[] = [];
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => lost.push(error));
    try {
      const told: unknown[] = [];
      ledger.listen(() => {
        throw new Error("a listener's own");
      });
      const end = ledger.listen((event) => told.push(event["n"]));
      await ledger.submit("a", note(1));
      await ledger.submit("a", note(2));
      end();
      await ledger.submit("a", note(3));
      expect(told).toEqual([1, 2]);
      expect(lost).toHaveLength(3);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of kept) process.on("uncaughtException", listener);
    }
  });

  it("are told before the promise resolves (D7: handles are dead before `unbind` returns)", async () => {
    const { ledger } = open();
    let told = 0;
    ledger.listen((event) => (told = event.seq));
    await ledger.submit("a", note(1)).then((event) => expect(told).toBe(event.seq));
  });
});

describe("closing", () => {
  it("writes all that is queued, however much, and then refuses", async () => {
    const opened = open();
    const { ledger } = opened;
    const jobs = Array.from({ length: 2_000 }, (_, n) => ledger.submit("a", note(n)));
    const closed = ledger.close();
    await refusal(ledger.submit(adminLane, note(-1)), AuditUnavailableError, "audit_unavailable");
    await closed;
    expect(notes(opened)).toHaveLength(2_000);
    await Promise.all(jobs);
    await refusal(ledger.submit("a", note(-1)), AuditUnavailableError, "audit_unavailable");
    await ledger.close();
    expect(ledger.closed).toBe(true);
  });
});
