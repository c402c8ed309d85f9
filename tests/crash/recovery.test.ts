import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyLog } from "../../src/audit/verify-log.js";
import { isAlive, newLease } from "../../src/core/lease.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import type { Pipeline } from "../../src/index.js";
import { ResumeError } from "../../src/model/errors.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { resumeWorkflow } from "../../src/workflow/resume.js";
import { runWorkflow } from "../../src/workflow/run.js";
import { listRuns, showRun } from "../../src/workflow/show.js";
import { hangingWorkflow, whatWasDone } from "./fixtures/crash-actions.js";
import { grantedFolder, openIn, startRun } from "./fixtures/crash-world.js";
import { expectSoundLog } from "./fixtures/log-promises.js";

let folder: string;
const open: Pipeline[] = [];

beforeEach(async () => {
  folder = await grantedFolder();
});
afterEach(async () => {
  for (const pipeline of open.splice(0)) await pipeline.close();
  delete process.env["SYNAPSE_TEST_HANG"];
  rmSync(folder, { recursive: true, force: true });
});

async function opened(): Promise<Pipeline> {
  const pipeline = await openIn(folder);
  open.push(pipeline);
  return pipeline;
}

/** A run that hangs in its second step, in a process of its own. */
async function hanging(
  which: "hanging" | "skipping" = "hanging",
): Promise<{ readonly kill: () => Promise<string> }> {
  const { child, said, ended } = startRun(folder, which);
  await said("running");
  return {
    kill: async () => {
      child.kill("SIGKILL");
      return (await ended).stdout;
    },
  };
}

function inStore<T>(work: (db: Database.Database) => T): T {
  const db = new Database(`${folder}/log.db`);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const unknowns = (pipeline: Pipeline) => pipeline.audit.getEvents({ event: "step_outcome_unknown" });

async function refusal(work: Promise<unknown>, code: string): Promise<ResumeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ResumeError);
  expect(error).toMatchObject({ code });
  return error as ResumeError;
}

describe("a step whose process is gone", () => {
  it("is recorded as unknown once, by whoever opens next, of two that open at once too", async () => {
    const run = await hanging();
    const stdout = await run.kill();
    const pipelines = await Promise.all([opened(), opened(), opened()]);
    for (const pipeline of pipelines) {
      const [event, ...more] = await unknowns(pipeline);
      expect(more).toEqual([]);
      const [authorized] = (await pipeline.audit.getEvents({ event: "step_execution_authorized" })).slice(-1);
      expect(event).toMatchObject({
        request_id: authorized?.["request_id"],
        run_id: authorized?.["run_id"],
        step_id: "hang",
        attempt: 1,
        effects_attempted: 0,
        effects_performed: 0,
      });
    }
    await (await opened()).close();
    expectSoundLog(folder, stdout);
  });

  it("runs on while its process lives: nobody speaks for it", async () => {
    const run = await hanging();
    const pipeline = await opened();
    expect(await unknowns(pipeline)).toEqual([]);
    const [shown] = listRuns(pipeline);
    expect(shown?.status).toBe("running");
    await refusal(resumeWorkflow({ pipeline, runId: shown?.run_id ?? "", by: "o" }), "run_is_running");
    await run.kill();
    expect(listRuns(pipeline)[0]?.status).toBe("interrupted");
  });

  it("a process id that is another process by now does not keep it alive", async () => {
    await (await hanging()).kill();
    inStore((db) => db.prepare("UPDATE leases SET pid = ?").run(process.pid));
    expect(await unknowns(await opened())).toHaveLength(1);
  });

  it("on another machine it lives for 30 s after its lease was renewed, and no longer", async () => {
    const run = await hanging();
    inStore((db) =>
      db.prepare("UPDATE leases SET boot = 'elsewhere', renewed_at = ?").run(Date.now() - 20_000),
    );
    expect(await unknowns(await opened())).toEqual([]);
    inStore((db) => db.prepare("UPDATE leases SET renewed_at = ?").run(Date.now() - 31_000));
    expect(await unknowns(await opened())).toHaveLength(1);
    await run.kill();
  });

  it("is shown by `show` and `runs`", async () => {
    await (await hanging()).kill();
    const pipeline = await opened();
    const [run] = listRuns(pipeline);
    expect(run).toMatchObject({ status: "interrupted", ended_at: null });
    expect(run).not.toHaveProperty("writer");
    expect(showRun(pipeline, run?.run_id ?? "")).toMatchObject({
      status: "interrupted",
      steps: [
        { step_id: "first", status: "completed" },
        { step_id: "hang", status: "unknown", reason: "outcome_unknown" },
        { step_id: "last", status: "pending" },
      ],
    });
  });
});

describe("leases", () => {
  it("are made with the first write, not by reading, and go with `close`", async () => {
    const leases = () => inStore((db) => db.prepare("SELECT writer FROM leases").all());
    const pipeline = await opened();
    await pipeline.audit.getEvents();
    expect(leases()).toEqual([]);
    await pipeline.audit.emitEvent("x_note", {});
    expect(leases()).toHaveLength(1);
    await pipeline.close();
    expect(leases()).toEqual([]);
  });

  it("of this process is alive, of another start or an unused id is not", () => {
    const lease = newLease();
    expect(isAlive(lease)).toBe(true);
    if (lease.boot === "") return;
    expect(isAlive({ ...lease, started: "1" })).toBe(false);
    expect(isAlive({ ...lease, pid: 2 ** 22 + 1 })).toBe(false);
    expect(isAlive({ ...lease, boot: "elsewhere", renewedAt: Date.now() + 3_600_000 })).toBe(false);
  });
});

describe("resume", () => {
  it("waits for a person, names both ways, and records nothing before", async () => {
    await (await hanging()).kill();
    const pipeline = await opened();
    const [run] = listRuns(pipeline);
    const before = await pipeline.audit.getEvents();
    const options = { pipeline, runId: run?.run_id ?? "", by: "ann" };
    const error = await refusal(resumeWorkflow(options), "outcome_unknown");
    expect(error.hint).toContain("--retry hang");
    expect(error.hint).toContain("--accept-as-failed hang");
    await refusal(resumeWorkflow({ ...options, retry: ["first"] }), "not_undecided");
    await refusal(resumeWorkflow({ ...options, retry: ["hang"], acceptAsFailed: ["hang"] }), "not_undecided");
    expect(await pipeline.audit.getEvents()).toEqual(before);
  });

  it("with `retry` runs it again, what completed not, and comes to what an uninterrupted run comes to", async () => {
    await (await hanging()).kill();
    const pipeline = await opened();
    const [run] = listRuns(pipeline);
    process.env["SYNAPSE_TEST_HANG"] = "no";
    const runId = run?.run_id ?? "";
    const summary = await resumeWorkflow({ pipeline, runId, by: "ann", retry: ["hang"] });
    expect(summary).toMatchObject({ run_id: runId, status: "completed" });
    expect(whatWasDone(folder)).toEqual(["first", "hang", "hang", "last"]);
    const [accepted] = await pipeline.audit.getEvents({ event: "step_retry_accepted" });
    expect(accepted).toMatchObject({ run_id: runId, step_id: "hang", by: "ann", decision: "retry" });
    const whole = await runWorkflow({ pipeline, definition: hangingWorkflow, inputs: {} });
    expect(summary.result_digest).toBe(whole.result_digest);
    expect(showRun(pipeline, runId)).toMatchObject({
      status: "completed",
      result_digest: whole.result_digest,
    });
    await refusal(resumeWorkflow({ pipeline, runId, by: "ann" }), "run_has_ended");
    expectSoundLog(folder, "");
  });

  it.each([
    ["retry", ["first", "hang", "hang", "last"]],
    ["acceptAsFailed", ["first", "hang", "last"]],
  ] as const)(
    "with `%s` does nothing twice that waited for a step which never was in the log",
    async (how, did) => {
      await (await hanging("skipping")).kill();
      const pipeline = await opened();
      const runId = listRuns(pipeline)[0]?.run_id ?? "";
      process.env["SYNAPSE_TEST_HANG"] = "no";
      const summary = await resumeWorkflow({ pipeline, runId, by: "ann", [how]: ["hang"] });
      expect(summary.status).toBe("completed");
      expect(whatWasDone(folder)).toEqual(did);
      const authorized = await pipeline.audit.getEvents({ event: "step_execution_authorized" });
      expect(authorized.map((event) => event["step_id"])).toEqual(did);
      expectSoundLog(folder, "");
    },
  );

  it("with `acceptAsFailed` goes on as if it had failed", async () => {
    await (await hanging()).kill();
    const pipeline = await opened();
    const runId = listRuns(pipeline)[0]?.run_id ?? "";
    const summary = await resumeWorkflow({ pipeline, runId, by: "ann", acceptAsFailed: ["hang"] });
    expect(summary).toMatchObject({
      status: "completed",
      steps: [
        { status: "completed" },
        { status: "failed", reason: "outcome_unknown" },
        { status: "completed" },
      ],
    });
    expect(whatWasDone(folder)).toEqual(["first", "hang", "last"]);
    const [accepted] = await pipeline.audit.getEvents({ event: "step_retry_accepted" });
    expect(accepted).toMatchObject({ decision: "accept_as_failed", by: "ann" });
  });

  it("leaves a log in which an auditor finds nothing wrong, the tables included", async () => {
    await (await hanging()).kill();
    const pipeline = await opened();
    const runId = listRuns(pipeline)[0]?.run_id ?? "";
    const audited = async () => {
      const image = openImage(`${folder}/log.db`);
      try {
        return (await verifyLog(image, { ownKey: publicKeyBeside(`${folder}/log.db.key`) })).problems;
      } finally {
        image.close();
      }
    };
    expect(await audited()).toEqual([]);
    await resumeWorkflow({ pipeline, runId, by: "ann", acceptAsFailed: ["hang"] });
    await pipeline.checkpoint();
    expect(await audited()).toEqual([]);
    inStore((db) => db.exec("UPDATE runs SET writer = 'somebody else'"));
    expect(await audited()).toMatchObject([{ code: "projection_mismatch" }]);
  });

  it("of two that resume at once, one does", async () => {
    await (await hanging()).kill();
    const pipelines = await Promise.all([opened(), opened()]);
    const [first] = pipelines;
    const runId = first === undefined ? "" : (listRuns(first)[0]?.run_id ?? "");
    const outcomes = await Promise.allSettled(
      pipelines.map((pipeline) => resumeWorkflow({ pipeline, runId, by: "ann", acceptAsFailed: ["hang"] })),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(whatWasDone(folder)).toEqual(["first", "hang", "last"]);
  });

  it("a recorded output that was erased ends it with a clear error", async () => {
    await (await hanging()).kill();
    inStore((db) =>
      db.exec(
        "DELETE FROM blobs WHERE bytes = '{\"what\":\"first\"}' OR ref IN (SELECT json_extract(doc, '$.output_commitment') FROM events)",
      ),
    );
    const pipeline = await opened();
    const runId = listRuns(pipeline)[0]?.run_id ?? "";
    await refusal(resumeWorkflow({ pipeline, runId, by: "ann", acceptAsFailed: ["hang"] }), "record_erased");
  });
});
