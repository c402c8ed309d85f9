/** Clocks that jump: the order of the log is its own, and what has expired stays so (D8). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AuditEvent, createPipeline } from "../../src/index.js";
import { documents } from "../cli/invoke.js";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import {
  durableLines,
  type Ended,
  readyFolder,
  scratch,
  startProgram,
  synapse,
  synapseCommand,
  timesActed,
} from "./fixtures/fault-world.js";
import { expectRecovery } from "./fixtures/recovery.js";
import { fakeTime } from "./fixtures/tools.js";

/** A process whose wall clock is off by what the file `clock` says, in seconds, at each moment anew. */
function underClock(folder: string, ...args: readonly string[]): Promise<Ended> {
  const env = {
    LD_PRELOAD: fakeTime,
    FAKETIME_TIMESTAMP_FILE: join(folder, "clock"),
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  return startProgram(folder, synapseCommand([], ...args), { env }).ended;
}

const setClock = (folder: string, seconds: string) => writeFileSync(join(folder, "clock"), `${seconds}\n`);

function expectForward(events: readonly AuditEvent[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
  const times = events.map(({ timestamp }) => Date.parse(timestamp));
  expect(times).toEqual([...times].sort((a, b) => a - b));
}

/** How far the clock of the log has come, as hours from now. */
function hoursAhead(events: readonly AuditEvent[]): number {
  return (Date.parse(events.at(-1)?.timestamp ?? "") - Date.now()) / 3_600_000;
}

/** The clock is set by the program of a step: it jumps in the middle of a run, and where is known. */
const jump = (id: string, seconds: string, needs: string) =>
  `  - { id: ${id}, agent: scribe, action: process.run, needs: [${needs}], with: { program: sh, args: ["-c", "echo ${seconds} > clock"] } }`;

describe.skipIf(fakeTime === undefined)("clock jumps", () => {
  it("an hour back, ten years on and back again between runs: the log's time never goes back", async () => {
    const folder = await readyFolder();
    let stdout = "";
    for (const seconds of ["-3600", "+315360000", "-86400"]) {
      setClock(folder, seconds);
      const ended = await underClock(folder, "run", "w.yaml", "--json");
      expect(ended.code).toBe(0);
      stdout += ended.stdout;
    }
    expectForward(expectSoundLog(folder, durableLines(stdout)));
    expect(timesActed(folder)).toBe(3);
  });

  it("back, on by a day and home again while a run is at it", async () => {
    const folder = await readyFolder();
    setClock(folder, "+0");
    const note = (id: string, needs: string) =>
      `  - { id: ${id}, agent: scribe, action: memory.set, needs: [${needs}], with: { key: notes/${id}, value: 1 } }`;
    const steps = [
      '  - { id: act, agent: scribe, action: process.run, with: { program: sh, args: ["-c", "echo acted >> did"] } }',
      jump("back", "-3600", "act"),
      note("early", "back"),
      jump("on", "+86400", "early"),
      note("late", "on"),
      jump("home", "+0", "late"),
      note("after", "home"),
    ];
    writeFileSync(join(folder, "w.yaml"), `name: jumping\nsteps:\n${steps.join("\n")}\n`);
    const ended = await underClock(folder, "run", "w.yaml", "--json");
    expect(ended.code).toBe(0);
    const { atFault, status } = await expectRecovery(folder, ended);
    expect(status).toBe("completed");
    expectForward(atFault);
    // The jump was heard of: the log's time is where it was furthest.
    expect(hoursAhead(atFault)).toBeGreaterThan(23);
  });

  it("a grant that expired by a jump stays expired when the clock comes back, also in the next process", async () => {
    const folder = scratch();
    setClock(folder, "+0");
    const pipeline = await createPipeline({ database: join(folder, "log.db") });
    const bind = async (capability: string, more: object = {}) => {
      await pipeline.capabilityManager.issue({ capability, issuedBy: "operator" });
      await pipeline.bindingManager.bind({ agentId: "scribe", capability, createdBy: "operator", ...more });
    };
    await bind("os:process:sh", { constraints: { unconfined: true } });
    await bind(`fs:list:${folder}`);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    await bind("memory:write:notes/**", { expiresAt });
    await pipeline.close();
    const note = (id: string, needs = "") =>
      `  - { id: ${id}, agent: scribe, action: memory.set, on_denied: continue, needs: [${needs}], with: { key: notes/${id}, value: 1 } }`;
    const steps = [
      note("fresh"),
      jump("on", "+7200", "fresh"),
      note("expired", "on"),
      jump("back", "-86400", "expired"),
      note("revived", "back"),
    ];
    writeFileSync(join(folder, "w.yaml"), `name: expiring\nsteps:\n${steps.join("\n")}\n`);
    writeFileSync(join(folder, "again.yaml"), `name: again\nsteps:\n${note("again")}\n`);
    const ended = await underClock(folder, "run", "w.yaml", "--json");
    const steppedIn = (outcome: Ended) =>
      (
        documents(outcome).at(-1)?.["steps"] as { step_id: string; status: string; reason: string | null }[]
      ).map(({ step_id, status, reason }) => [step_id, status, reason]);
    expect(steppedIn(ended)).toEqual([
      ["fresh", "completed", null],
      ["on", "completed", null],
      ["expired", "denied", "binding_expired"],
      ["back", "completed", null],
      ["revived", "denied", "binding_expired"],
    ]);
    // A day back, and with the machine's own clock: another process, and the same answer.
    const restarted = await underClock(folder, "run", "again.yaml", "--json");
    expect(steppedIn(restarted)).toEqual([["again", "denied", "binding_expired"]]);
    const plain = await synapse(folder, [], "run", "again.yaml", "--json");
    expect(steppedIn(plain)).toEqual([["again", "denied", "binding_expired"]]);
    const all = [ended, restarted, plain].map(({ stdout }) => durableLines(stdout)).join("");
    expectForward(expectSoundLog(folder, all));
  });
});
