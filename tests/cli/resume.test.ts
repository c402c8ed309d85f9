import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { document, documents, expectRefusal, folder, synapse } from "./invoke.js";
import { policy, slow, slowPolicy } from "./workflows.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A folder with a run that was killed while its program slept; the run's id. */
async function killedRun(): Promise<{ readonly cwd: string; readonly runId: string }> {
  const cwd = realpathSync(
    folder({ "slow.yaml": slow.replace("600", "15"), "p.yaml": slowPolicy, "notes.yaml": policy }),
  );
  const child = spawn(process.execPath, [main, "run", "slow.yaml", "--policy", "p.yaml", "--json"], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events: string[] = [];
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      events.push(chunk.toString());
      if (events.join("").includes('"effect_attempted"')) resolve();
    });
  });
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGKILL");
  await closed;
  const [started] = documents(await synapse({ cwd }, "audit", "list", "--event", "run_started", "--json"));
  return { cwd, runId: String(started?.["run_id"]) };
}

test("a killed run is shown as interrupted, waits with 3 for a person, and goes on when told how", async () => {
  const { cwd, runId } = await killedRun();
  expect(document(await synapse({ cwd }, "runs", "--json"))).toMatchObject({ status: "interrupted" });
  expect((await synapse({ cwd }, "show", runId)).stdout).toMatch(/\? unknown +nap /);

  const waiting = await synapse({ cwd }, "resume", runId);
  expectRefusal(waiting, 3, "outcome_unknown", /--retry nap .*--accept-as-failed nap/);

  const resumed = await synapse(
    { cwd },
    "resume",
    runId,
    "--accept-as-failed",
    "nap",
    "--by",
    "ann",
    "--json",
  );
  expect(resumed.code).toBe(1);
  const printed = documents(resumed);
  expect(printed.map(({ event }) => event)).toEqual([
    "step_retry_accepted",
    "run_started",
    "run_completed",
    undefined,
  ]);
  expect(printed[0]).toMatchObject({ by: "ann", step_id: "nap", decision: "accept_as_failed" });
  expect(printed[1]).toMatchObject({ resumes: true, run_id: runId });
  expect(printed[3]).toMatchObject({ run_id: runId, status: "failed" });
  expectRefusal(await synapse({ cwd }, "resume", runId), 2, "run_has_ended");
});

test("what cannot be resumed is refused: 2, and nothing is made", async () => {
  const cwd = folder();
  expectRefusal(await synapse({ cwd }, "resume", "run_1"), 2, "missing_store");
  expect(existsSync(`${cwd}/.synapse`)).toBe(false);
  await synapse({ cwd }, "init");
  expectRefusal(await synapse({ cwd }, "resume", "run_1"), 2, "not_found");
  expectRefusal(await synapse({ cwd }, "resume", "run_1", "--retry", "a b"), 2, "usage", /id of a step/);
  expectRefusal(
    await synapse({ cwd }, "resume", "run_1", "--retry", "a", "--retry", "a"),
    2,
    "usage",
    /twice/,
  );
});

test("a run is resumed from the folder it was started in: relative paths count from it", async () => {
  const { cwd, runId } = await killedRun();
  const elsewhere = folder();
  const outcome = await synapse(
    { cwd: elsewhere },
    "resume",
    runId,
    "--accept-as-failed",
    "nap",
    "--db",
    `${cwd}/.synapse/synapse.db`,
  );
  expectRefusal(outcome, 2, "other_folder");
});
