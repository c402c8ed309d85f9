import { afterEach, describe, expect, it } from "vitest";
import { createBinding, issueContract, revokeLink } from "../../src/core/authority.js";
import { adminLane } from "../../src/core/lanes.js";
import type { Tx } from "../../src/core/ledger.js";
import { AuditUnavailableError, InvalidDataError } from "../../src/model/errors.js";
import type { AuditEvent } from "../../src/model/event.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import { minuteMs, startMs } from "../model/fixtures/world.js";
import { type LedgerWorld, openLedger } from "./fixtures/ledger-world.js";

let world: LedgerWorld | undefined;
const open = (): LedgerWorld => (world = openLedger());
afterEach(() => {
  world?.close();
  world = undefined;
});

const note = (n: number) => (tx: Tx) => tx.emit({ event: "x_note", n });
const notes = ({ watch }: LedgerWorld) => watch.driver.eventsAfter(0).map((event) => event["n"]);

/** The log, the state that is held and the tables say the same. */
function expectConsistent({ ledger, folded, watch }: LedgerWorld): void {
  expect(dumpState(ledger.state)).toEqual(dumpState(folded()));
  const events = watch.driver.eventsAfter(0);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, n) => n + 1));
}

describe("group commit (E4)", () => {
  it("50 submissions of one turn are one transaction, and all of them are durable when they resolve", async () => {
    const { ledger, watch } = open();
    const events = await Promise.all(Array.from({ length: 50 }, (_, n) => ledger.submit("a", note(n))));
    expect(watch.commits).toBe(1);
    expect(watch.driver.eventsAfter(0)).toEqual(events);
    await Promise.all([ledger.submit("a", note(50)), ledger.submit("b", note(51))]);
    expect(watch.commits).toBe(2);
  });

  it("a transition sees the state with all that came before it in its transaction", async () => {
    const { ledger } = open();
    const seen = await Promise.all(
      [1, 2, 3].map((n) => ledger.submit("a", (tx) => [tx.state.seq, note(n)(tx).seq])),
    );
    expect(seen).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
  });

  it("a transition that only asks writes nothing", async () => {
    const { ledger, watch } = open();
    expect(await ledger.submit("a", (tx) => tx.state.seq)).toBe(0);
    expect(watch.commits).toBe(0);
  });

  it("order is kept within a lane, and changes of authority go first", async () => {
    const opened = open();
    const { ledger } = opened;
    const jobs = [1, 2, 3].map((n) => ledger.submit("a", note(n)));
    const admin = ledger.submit(adminLane, note(0));
    await Promise.all([...jobs, admin]);
    expect(notes(opened)).toEqual([0, 1, 2, 3]);
  });

  it("an agent with 5,000 requests delays another's one by no more than the next transaction (D9)", async () => {
    const { ledger, watch } = open();
    const busy = Array.from({ length: 5_000 }, (_, n) => ledger.submit("busy", note(n)));
    const quiet = ledger.submit("quiet", note(-1)).then(() => watch.commits);
    const admin = ledger.submit(adminLane, note(-2)).then(() => watch.commits);
    expect([await quiet, await admin]).toEqual([1, 1]);
    await Promise.all(busy);
    expect(watch.commits).toBe(10);
  });
});

describe("a transition that throws (D5: one bounced request never fails its batch)", () => {
  const refuse = () => {
    throw new RangeError("no");
  };
  const throwing: Record<string, (tx: Tx) => void> = {
    "before anything": refuse,
    "after an event": (tx) => void (note(99)(tx), refuse()),
    "after a blob and a memory value": (tx) => {
      tx.keep({ ref: "r", salt: Uint8Array.of(1), bytes: Uint8Array.of(1) });
      tx.setMemory("k", "left behind");
      refuse();
    },
    "after a change of authority": (tx) => {
      const contract = issueContract(tx, { capability: "fs:*", issuedBy: "mallory" });
      createBinding(tx, { agentId: "m", capability: "fs:*", createdBy: "mallory", contractId: contract.id });
      refuse();
    },
  };

  it.each(Object.keys(throwing))(
    "%s leaves nothing, and the others of its transaction stand",
    async (when) => {
      const opened = open();
      const { ledger, watch } = opened;
      const jobs = [
        ledger.submit("a", note(1)),
        ledger.submit("a", throwing[when] ?? refuse),
        ledger.submit("a", note(2)),
        ledger.submit("b", note(3)),
      ];
      const outcomes = await Promise.allSettled(jobs);
      expect(outcomes.map((outcome) => outcome.status)).toEqual([
        "fulfilled",
        "rejected",
        "fulfilled",
        "fulfilled",
      ]);
      expect(outcomes[1]).toMatchObject({ reason: expect.any(RangeError) as unknown });
      expect(notes(opened)).toEqual([1, 3, 2]);
      expect([...ledger.state.links()]).toEqual([]);
      expect([watch.driver.blob("r"), watch.driver.memoryValue("k")]).toEqual([undefined, undefined]);
      expectConsistent(opened);
    },
  );

  it("one behind another that throws keeps its place in its lane, however long the lane is", async () => {
    const opened = open();
    const { ledger } = opened;
    const jobs = Array.from({ length: 1_200 }, (_, n) =>
      ledger.submit("a", n % 400 === 3 ? (throwing["after an event"] ?? refuse) : note(n)),
    );
    await Promise.allSettled(jobs);
    expect(notes(opened)).toEqual(Array.from({ length: 1_200 }, (_, n) => n).filter((n) => n % 400 !== 3));
  });

  it("an event beyond 65,535 bytes is refused, one of exactly as many is not", async () => {
    const opened = open();
    const { ledger, watch } = opened;
    const sized = (bytes: number) =>
      ledger.submit("a", (tx) => tx.emit({ event: "x_big", text: "é".repeat(bytes / 2) }));
    const least = Buffer.byteLength(JSON.stringify(await sized(0)));
    const even = (65_535 - least) & ~1;
    await sized(even);
    await refusal(sized(even + 2), InvalidDataError, "invalid_data");
    expect(watch.driver.eventsAfter(0)).toHaveLength(2);
    expectConsistent(opened);
  });
});

describe("what is kept without an event", () => {
  it("a memory value alone is durable when `submit` resolves (H5)", async () => {
    const { ledger, watch } = open();
    await ledger.submit("a", (tx) => tx.setMemory("k", { n: 1 }));
    expect([watch.commits, watch.driver.memoryValue("k")]).toEqual([1, { n: 1 }]);
    await ledger.submit("a", (tx) => tx.keep({ ref: "r", salt: Uint8Array.of(1), bytes: Uint8Array.of(2) }));
    expect(watch.driver.blob("r")?.bytes).toHaveLength(1);
  });
});

describe("time (D8)", () => {
  it("stamps never go back, whatever the clock does, a restart included", async () => {
    const opened = open();
    const { ledger, clock, watch, another } = opened;
    for (const jump of [5, -60_000, 3, -1, 10 * minuteMs, -20 * minuteMs]) {
      clock.ms += jump;
      await ledger.submit("a", note(jump));
      expect(ledger.now()).toBeGreaterThanOrEqual(ledger.state.lastTime);
    }
    const restarted = another();
    expect(restarted.now()).toBe(ledger.state.lastTime);
    await restarted.submit("a", note(0));
    const stamps = watch.driver.eventsAfter(0).map((event) => Date.parse(event.timestamp));
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
    expect(stamps.at(-1)).toBeGreaterThan(startMs + 8 * minuteMs);
  });

  it("a clock that tells no time stops writing, not order", async () => {
    const opened = open();
    const { ledger, clock } = opened;
    clock.ms = Number.NaN;
    await expect(ledger.submit("a", note(1))).rejects.toThrow(TypeError);
    clock.ms = startMs;
    await ledger.submit("a", note(2));
    expect(notes(opened)).toEqual([2]);
    expectConsistent(opened);
  });
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
    await Promise.all(jobs);
    expect(notes(opened)).toHaveLength(2_000);
    await refusal(ledger.submit("a", note(-1)), AuditUnavailableError, "audit_unavailable");
    await ledger.close();
    expect(ledger.closed).toBe(true);
  });
});
