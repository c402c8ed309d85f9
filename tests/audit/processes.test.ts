/** The auditor's commands as processes of their own: exit codes, a kill in the middle, another process writing. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createPipeline } from "../../src/index.js";
import { folder } from "../cli/invoke.js";
import { TamperedLog, verdictOf } from "./fixtures/logs.js";

const bin = resolve("dist/cli/main.js");

function start(log: TamperedLog, ...argv: string[]) {
  const child = spawn(process.execPath, [bin, ...argv, "--db", log.database], {
    cwd: log.folder,
    env: { PATH: process.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on("close", (code) => done({ code, stdout, stderr }));
  });
  return { child, ended };
}

/** A log of that many events of outsiders. */
async function logOf(events: number): Promise<TamperedLog> {
  const log = new TamperedLog(folder());
  const pipeline = await createPipeline({ database: log.database });
  await Promise.all(Array.from({ length: events }, (_, i) => pipeline.audit.emitEvent("x_note", { i })));
  await pipeline.close();
  return log;
}

test("a pipe gets the verdict and no bar; 0 for a good log, 4 for one that was tampered with", async () => {
  const log = await logOf(20);
  const good = await start(log, "audit", "verify").ended;
  expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/^verified 20 events/) as string });
  expect(good.stderr).not.toMatch(/[\r\u001b]/);
  log.sql("DELETE FROM events WHERE seq = 11");
  const bad = await start(log, "audit", "verify").ended;
  expect(bad).toMatchObject({ code: 4, stdout: "" });
  expect(bad.stderr).toMatch(/^error\[wrong_order\]: event 11: it is missing/);
});

test(
  "an export that is killed is gone on with, and what it left behind verifies",
  { timeout: 60_000 },
  async () => {
    const log = await logOf(3_000);
    const vkey = (await start(log, "audit", "key").ended).stdout.trim();
    const { child, ended } = start(log, "audit", "export", "out");
    await expect
      .poll(() => existsSync(join(log.folder, "out/tile")), { interval: 1, timeout: 20_000 })
      .toBe(true);
    child.kill("SIGKILL");
    await ended;
    expect((await start(log, "audit", "export", "out").ended).code).toBe(0);
    const verdict = verdictOf(await log.verify("--export", "out", "--key", vkey));
    expect(verdict).toMatchObject({ ok: true, events: 3_000 });
  },
);

test("a log that another process writes meanwhile is verified as it was at one moment", async () => {
  const log = await logOf(500);
  const pipeline = await createPipeline({ database: log.database, checkpointEvents: 7 });
  const { ended } = start(log, "audit", "verify", "--json");
  let over = false;
  void ended.then(() => (over = true));
  let written = 0;
  while (!over) {
    await pipeline.audit.emitEvent("x_note", { written: ++written });
  }
  await pipeline.close();
  const outcome = await ended;
  expect(verdictOf(outcome)).toMatchObject({ ok: true, problems: [] });
  expect(verdictOf(outcome).events).toBeGreaterThanOrEqual(500);
});
