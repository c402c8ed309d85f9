/** Authority that ends between a check and what was checked: slow commits, and processes that stand still. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { type AuditEvent, createPipeline, type Pipeline } from "../../src/index.js";
import { scratch, startProgram, type Started } from "./fixtures/fault-world.js";
import { expectVerified } from "./fixtures/recovery.js";
import { expectInjected, tracePaths } from "./fixtures/strace.js";
import { canTrace } from "./fixtures/tools.js";
import { programOf } from "../programs.js";

const script = programOf("tests/faults/fixtures/calls.ts");

/** Between the look before an action and its first line the machine may run something else for that long, ms. */
const graceMs = 50;

interface Scene {
  readonly folder: string;
  /** The operator's side, in this process. */
  readonly pipeline: Pipeline;
  readonly bindingId: string;
}

async function scene(): Promise<Scene> {
  const folder = scratch();
  mkdirSync(join(folder, "notes"));
  const pipeline = await createPipeline({ database: join(folder, "log.db") });
  onTestFinished(() => pipeline.close());
  const bind = async (capability: string) => {
    await pipeline.capabilityManager.issue({ capability, issuedBy: "operator" });
    return pipeline.bindingManager.bind({ agentId: "a", capability, createdBy: "operator" });
  };
  await bind(`fs:write:${folder}/notes/**`);
  const { id } = await bind("crm:update:k");
  return { folder, pipeline, bindingId: id };
}

/** The calls in a process of their own, and a wait for what it says. */
function startCalls(folder: string, how: "many" | "held", front: readonly string[] = []) {
  let heard: () => void = () => undefined;
  let stdout = "";
  const started: Started = startProgram(process.cwd(), [...front, process.execPath, script, folder, how], {
    onLines: (text) => {
      stdout = text;
      heard();
    },
  });
  const said = async (text: string, times = 1) => {
    while (stdout.split(text).length <= times) {
      const over = await Promise.race([new Promise<void>((resolve) => (heard = resolve)), started.ended]);
      if (over !== undefined && stdout.split(text).length <= times)
        throw new Error(`\`${text}\` was not said: ${over.stderr}`);
    }
  };
  return { ...started, said };
}

const wordsOf = (stdout: string, first: string) =>
  stdout
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([word]) => word === first);

const of = (events: readonly AuditEvent[], type: string) => events.filter(({ event }) => event === type);

describe.skipIf(!canTrace)(
  "a hundred calls and one revocation by another process, each sync taking 200 ms longer",
  () => {
    it("nothing begins after the revocation was acknowledged, and the log's order explains each call", async () => {
      const { folder, pipeline, bindingId } = await scene();
      const slow = [
        "-e",
        "trace=fsync",
        "-e",
        "inject=fsync:delay_enter=200000",
        "-o",
        join(folder, "trace"),
      ];
      const front = ["strace", "-f", "-qq", ...tracePaths(folder), ...slow];
      const { said, ended } = startCalls(folder, "many", front);
      await said("used ", 5);
      expect(await pipeline.bindingManager.unbind(bindingId, { revokedBy: "operator" })).toBe(true);
      const acknowledgedAt = Date.now();
      const { code, stdout, stderr } = await ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expectInjected(folder);
      const begun = wordsOf(stdout, "begun");
      const used = wordsOf(stdout, "used");
      for (const [, n, at] of [...begun, ...used])
        expect(Number(at), `step ${n}`).toBeLessThanOrEqual(acknowledgedAt + graceMs);

      const events = await pipeline.audit.getEvents();
      const revokedAt = of(events, "binding_revoked")[0]?.seq ?? 0;
      const authorised = of(events, "step_execution_authorized");
      for (const event of authorised) expect(event.seq).toBeLessThan(revokedAt);
      for (const event of of(events, "step_execution_denied")) expect(event.seq).toBeGreaterThan(revokedAt);
      // Every call was answered, and every answer stands in the log.
      const results = wordsOf(stdout, "result");
      expect(results).toHaveLength(100);
      const stepsOf = (list: readonly AuditEvent[]) => new Set(list.map((event) => event["step_id"]));
      const [allowed, denied] = [stepsOf(authorised), stepsOf(of(events, "step_execution_denied"))];
      const completed = of(events, "step_execution_completed");
      for (const [, n, status, reason] of results) {
        if (status === "denied") {
          expect(denied).toContain(`s${n}`);
          expect(reason).toBe("binding_revoked");
          continue;
        }
        expect(allowed).toContain(`s${n}`);
        const end = completed.find((event) => event["step_id"] === `s${n}`);
        if (status === "completed") expect(end?.seq).toBeLessThan(revokedAt);
        else expect(end).toMatchObject({ result: "failure", code: "revoked_while_running" });
      }
      for (const [, n] of begun) expect(allowed).toContain(`s${n}`);
      const statuses = new Set(results.map(([, , status]) => status));
      expect(statuses).toContain("completed");
      expect(statuses).toContain("denied");
      await expectVerified(folder);
    });
  },
);

describe("a process that stands still between the check and the effect (SIGSTOP, SIGCONT)", () => {
  it("its authority revoked meanwhile: what it wakes up to do is refused", async () => {
    const { folder, pipeline, bindingId } = await scene();
    const { child, said, ended } = startCalls(folder, "held");
    await said("begun ");
    child.kill("SIGSTOP");
    await pipeline.bindingManager.unbind(bindingId, { revokedBy: "operator" });
    child.kill("SIGCONT");
    const { stdout } = await ended;
    expect(wordsOf(stdout, "used")).toEqual([]);
    expect(wordsOf(stdout, "result")).toEqual([["result", "0", "failed", "revoked_while_running", "kept"]]);
    expect(existsSync(join(folder, "notes/0"))).toBe(false);
    const events = await pipeline.audit.getEvents();
    expect(of(events, "effect_attempted")).toEqual([]);
    expect(of(events, "effect_denied")).toMatchObject([{ reason: "revoked_while_running" }]);
    expect(of(events, "step_execution_completed")).toMatchObject([{ result: "failure" }]);
    await expectVerified(folder);
  });

  it("its step given up meanwhile: it records no end, gives out no result, and does nothing more", async () => {
    const { folder, pipeline } = await scene();
    const { child, said, ended } = startCalls(folder, "held");
    await said("begun ");
    child.kill("SIGSTOP");
    // On this machine the kernel says that it lives. Elsewhere a lease is all there is, and this one was not renewed.
    const db = new Database(join(folder, "log.db"));
    const pid = db.prepare("SELECT pid FROM leases WHERE pid = ?").pluck().get(child.pid);
    expect(pid).toBe(child.pid);
    db.prepare("UPDATE leases SET boot = 'elsewhere', renewed_at = ? WHERE pid = ?").run(
      Date.now() - 31_000,
      child.pid,
    );
    db.close();
    await (await createPipeline({ database: join(folder, "log.db") })).close();
    const unknown = of(await pipeline.audit.getEvents(), "step_outcome_unknown");
    expect(unknown).toMatchObject([{ step_id: "s0", effects_attempted: 0 }]);
    child.kill("SIGCONT");
    const { stdout } = await ended;
    expect(wordsOf(stdout, "used")).toEqual([]);
    expect(wordsOf(stdout, "result")).toEqual([["result", "0", "unknown", "audit_unavailable", "kept"]]);
    expect(existsSync(join(folder, "notes/0"))).toBe(false);
    expect(readFileSync(join(folder, "did"), "utf8")).toBe("0\n");
    const after = (await pipeline.audit.getEvents()).filter(({ seq }) => seq > (unknown[0]?.seq ?? 0));
    expect(after.map(({ event }) => event)).not.toContain("step_execution_completed");
    expect(after.filter(({ event }) => event.startsWith("effect_performed"))).toEqual([]);
    await expectVerified(folder);
  });
});
