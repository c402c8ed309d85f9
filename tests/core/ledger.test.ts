import { afterEach, describe, expect, it } from "vitest";
import { createBinding, issueContract } from "../../src/core/authority.js";
import { adminLane } from "../../src/core/lanes.js";
import type { Tx } from "../../src/core/ledger.js";
import { AuditUnavailableError, InvalidDataError } from "../../src/model/errors.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { minuteMs, startMs } from "../model/fixtures/world.js";
import { expectConsistent, type LedgerWorld, note, notes, openLedger } from "./fixtures/ledger-world.js";

let world: LedgerWorld | undefined;
const open = (): LedgerWorld => (world = openLedger());
afterEach(() => {
  world?.close();
  world = undefined;
});

describe("group commit (E4)", () => {
  it("50 submissions of one turn are one transaction, and all of them are durable when they resolve", async () => {
    const { ledger, watch } = open();
    const events = await Promise.all(Array.from({ length: 50 }, (_, n) => ledger.submit("a", note(n))));
    expect(watch.commits).toBe(1);
    expect(watch.driver.eventsAfter(0)).toEqual(events);
    await Promise.all([ledger.submit("a", note(50)), ledger.submit("b", note(51))]);
    expect(watch.commits).toBe(2);
  });

  it("what follows needs no durability wait of its own when another comes, and stands before it", async () => {
    const opened = open();
    const { ledger, watch } = opened;
    const followers = [1, 2].map((n) => ledger.follow("a", note(n)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(watch.commits).toBe(0);
    await ledger.submit("a", note(3));
    expect(watch.commits).toBe(1);
    expect((await Promise.all(followers)).map(({ seq }) => seq)).toEqual([1, 2]);
    expect(notes(opened)).toEqual([1, 2, 3]);
  });

  it("what follows is durable when it resolves, also when nothing else ever comes, and when the log is closed", async () => {
    const opened = open();
    const { ledger, watch } = opened;
    await ledger.follow("a", note(1));
    expect([watch.commits, notes(opened)]).toEqual([1, [1]]);
    const last = ledger.follow("a", note(2));
    await ledger.close();
    expect((await last).seq).toBe(2);
    expect(notes(opened)).toEqual([1, 2]);
    const late = ledger.follow("a", note(3));
    await refusal(late, AuditUnavailableError, "audit_unavailable");
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
      expect([watch.driver.keepsBlob("r"), watch.driver.memoryValue("k")]).toEqual([false, undefined]);
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
    expect(watch.driver.blob({ seq: ledger.state.seq + 1, ref: "r" })?.bytes).toHaveLength(1);
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
