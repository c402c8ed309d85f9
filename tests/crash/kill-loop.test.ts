import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ResumeError } from "../../src/model/errors.js";
import { textMember } from "../../src/model/event.js";
import { resumeWorkflow } from "../../src/workflow/resume.js";
import { listRuns, showRun } from "../../src/workflow/show.js";
import { whatWasDone } from "./fixtures/crash-actions.js";
import { grantedFolder, openIn, startRun } from "./fixtures/crash-world.js";
import { acknowledged, expectSoundLog } from "./fixtures/log-promises.js";

/** More than one run has; the loop ends where the run ends by itself. */
const pointsMax = 200;

interface Outcome {
  readonly ended: boolean;
  /** How the run was resumed: undefined where nothing of it was durable. */
  readonly digest: string | undefined;
  readonly decided: boolean;
}

/** Kills a run at one point of writing, checks what is left, and goes on with it to its end. */
async function killAndResume(killAt: number): Promise<Outcome> {
  const folder = await grantedFolder();
  try {
    const { code, stdout, stderr } = await startRun(folder, "killed", killAt).ended;
    if (code !== null && code !== 0) throw new Error(stderr);
    const atCrash = expectSoundLog(folder, stdout);
    const done = whatWasDone(folder);
    // No effect without a durable authorisation that came first.
    const authorized = atCrash
      .filter(({ event }) => event === "step_execution_authorized")
      .map((event) => event["step_id"]);
    expect(authorized).toEqual(expect.arrayContaining(done.map((what) => what.replace(/-.*/, ""))));

    const pipeline = await openIn(folder);
    const [run] = listRuns(pipeline);
    if (run === undefined) {
      await pipeline.close();
      return { ended: code === 0, digest: undefined, decided: false };
    }
    expect(run.status).toBe(run.ended_at === null ? "interrupted" : "completed");
    let decided = false;
    // A run that was not interrupted is the measure of the others.
    let digest = showRun(pipeline, run.run_id)?.result_digest ?? undefined;
    if (run.ended_at === null) {
      const options = { pipeline, runId: run.run_id, by: "operator" };
      const unknown = (await pipeline.audit.getEvents({ event: "step_outcome_unknown" })).map((event) =>
        textMember(event, "step_id"),
      );
      const asks = unknown.filter((id) => id !== "note");
      if (asks.length > 0) {
        decided = true;
        const refusal = await resumeWorkflow(options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refusal).toBeInstanceOf(ResumeError);
        expect(refusal).toMatchObject({ code: "outcome_unknown" });
      }
      // A person looks whether it was done: the file says so.
      const undone = asks.filter((id) => !whatWasDone(folder).some((what) => what.startsWith(id)));
      const gone = asks.filter((id) => !undone.includes(id));
      if (gone.length === 0) digest = (await resumeWorkflow({ ...options, retry: undone })).result_digest;
      else expect((await resumeWorkflow({ ...options, acceptAsFailed: gone })).status).toBe("failed");
    }
    await pipeline.close();
    expectSoundLog(folder, stdout);
    const all = whatWasDone(folder);
    for (const once of ["pay", "mail-pay"])
      expect(all.filter((what) => what === once).length).toBeLessThanOrEqual(1);
    expect(acknowledged(stdout).length).toBeLessThanOrEqual(atCrash.length);
    return { ended: code === 0, digest, decided };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("kill -9 at every point of writing, in turn, until the run ends by itself", () => {
  it("nothing that was acknowledged is lost, nothing is done twice, and every run comes to its end", async () => {
    const outcomes: Outcome[] = [];
    while (outcomes.at(-1)?.ended !== true && outcomes.length < pointsMax) {
      const next = [1, 2].map((n) => killAndResume(outcomes.length + n));
      for (const outcome of await Promise.all(next))
        if (outcomes.at(-1)?.ended !== true) outcomes.push(outcome);
    }
    expect(outcomes.at(-1)?.ended).toBe(true);
    expect(outcomes.length).toBeGreaterThan(20);
    // All that were resumed without going on past a failure came to the same as one another.
    const digests = new Set(outcomes.flatMap(({ digest }) => digest ?? []));
    expect(digests.size).toBe(1);
    expect(outcomes.some(({ decided }) => decided)).toBe(true);
  }, 240_000);
});
