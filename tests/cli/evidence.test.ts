import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/run-cli.js";
import { eventsFrom, newestStart } from "../../src/cli/event-pages.js";
import { createPipeline } from "../../src/index.js";
import { document, documents, expectRefusal, folder, Sink, synapse } from "./invoke.js";
import { denied, good, policy } from "./workflows.js";

async function twoRuns(): Promise<string> {
  const cwd = folder({ "p.yaml": policy, "good.yaml": good, "denied.yaml": denied });
  await synapse({ cwd }, "run", "good.yaml", "--policy", "p.yaml");
  await synapse({ cwd }, "run", "denied.yaml");
  return cwd;
}

/** A log of `count` events that were never part of a run. */
async function longLog(count: number): Promise<string> {
  const cwd = folder();
  const pipeline = await createPipeline({ database: join(cwd, "log.db"), workingFolder: cwd });
  const emit = (_: unknown, n: number) => pipeline.audit.emitEvent(n % 2 === 0 ? "x_even" : "x_odd", { n });
  await Promise.all(Array.from({ length: count }, emit));
  await pipeline.close();
  return cwd;
}

const list = (cwd: string, ...more: string[]) => synapse({ cwd }, "audit", "list", ...more);
const seqs = async (cwd: string, ...more: string[]) =>
  documents(await list(cwd, ...more, "--json")).map(({ seq }) => seq as number);

describe("runs and show", () => {
  test("runs lists the newest first, at most as many as asked for", async () => {
    const cwd = await twoRuns();
    const runs = documents(await synapse({ cwd }, "runs", "--json"));
    expect(runs.map((run) => [run["workflow"], run["status"]])).toEqual([
      ["forbidden", "denied"],
      ["good", "completed"],
    ]);
    expect(Object.keys(runs[0] ?? {})).toEqual(["run_id", "workflow", "status", "started_at", "ended_at"]);
    expect(documents(await synapse({ cwd }, "runs", "--limit", "1", "--json"))).toEqual(runs.slice(0, 1));
    const table = (await synapse({ cwd }, "runs")).stdout;
    expect(table).toMatch(
      /^STATUS +RUN +WORKFLOW +STARTED +ENDED\n⊘ denied +run_\S+ +forbidden +\S+Z +\S+Z\n✓ completed /,
    );
  });

  test("show gives the run and each step with its reason and binding", async () => {
    const cwd = await twoRuns();
    const [{ run_id: id = "" } = {}] = documents(await synapse({ cwd }, "runs", "--json"));
    expect(document(await synapse({ cwd }, "show", String(id), "--json"))).toMatchObject({
      run_id: id,
      workflow: "forbidden",
      status: "denied",
      started_at: expect.stringMatching(/Z$/) as unknown,
      ended_at: expect.stringMatching(/Z$/) as unknown,
      steps: [
        { step_id: "peek", status: "denied", reason: "no_binding_found", binding_id: null },
        { step_id: "put", status: "skipped", reason: null, binding_id: null },
      ],
    });
    const { code, stdout } = await synapse({ cwd }, "show", String(id));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^status +⊘ denied$/m);
    expect(stdout).toContain(`synapse audit list --run ${String(id)}\n`);
    expect(stdout).toMatch(/^⊘ denied +peek +scribe +memory:read:notes\/a +no_binding_found +-$/m);
  });

  test("a run that does not exist: exit code 2", async () => {
    const cwd = await twoRuns();
    expectRefusal(
      await synapse({ cwd }, "show", "run_none"),
      2,
      "not_found",
      /`run_none`\nhint: synapse runs/,
    );
  });

  test("no runs yet is a sentence for people and nothing for programs", async () => {
    const cwd = await longLog(0);
    expect((await synapse({ cwd }, "runs", "--db", "log.db")).stdout).toBe("there are no runs yet\n");
    expect((await synapse({ cwd }, "runs", "--db", "log.db", "--json")).stdout).toBe("");
  });
});

describe("audit list", () => {
  test("lists the whole log in order; filters hold together", async () => {
    const cwd = await twoRuns();
    const all = documents(await list(cwd, "--json"));
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1));
    const [{ run_id: id = "" } = {}] = documents(await synapse({ cwd }, "runs", "--json"));
    const filters = ["--run", String(id), "--agent", "scribe", "--event", "step_execution_denied"];
    const matching = documents(await list(cwd, ...filters, "--json"));
    expect(matching).toHaveLength(1);
    expect(matching[0]).toMatchObject({ run_id: id, agent_id: "scribe", event: "step_execution_denied" });
    expect(await seqs(cwd, "--agent", "nobody")).toEqual([]);
  });

  test("people get one line an event: number, time, type, agent, step, what and why", async () => {
    const cwd = await twoRuns();
    const { stdout } = await list(cwd);
    expect(stdout).toMatch(
      /^ +\d+ {2}\S+Z {2}step_execution_denied +scribe +peek +memory:read:notes\/a reason=no_binding_found$/m,
    );
    expect(stdout).toMatch(/^ +\d+ {2}\S+Z {2}run_started +- +- +run_\S+$/m);
  });

  test("--limit gives the newest ones, in log order, also beyond one page", async () => {
    const cwd = await longLog(2_500);
    const last = (count: number) => Array.from({ length: count }, (_, index) => 2_501 - count + index);
    for (const count of [1, 3, 1_000, 1_001, 2_499]) {
      expect(await seqs(cwd, "--db", "log.db", "--limit", String(count))).toEqual(last(count));
    }
    for (const count of [2_500, 2_501, Number.MAX_SAFE_INTEGER]) {
      expect(await seqs(cwd, "--db", "log.db", "--limit", String(count))).toHaveLength(2_500);
    }
    const odd = await seqs(cwd, "--db", "log.db", "--event", "x_odd", "--limit", "1200");
    expect(odd).toHaveLength(1_200);
    expect(odd.at(-1)).toBe(2_500);
    expect(await seqs(cwd, "--db", "log.db", "--event", "x_odd", "--limit", "1300")).toHaveLength(1_250);
    expect(await seqs(cwd, "--db", "log.db", "--event", "x_none", "--limit", "1300")).toEqual([]);
    expect(await seqs(cwd, "--db", "log.db", "--event", "x_none", "--limit", "3")).toEqual([]);
  });

  test("a long log is read a page at a time, never as a whole", async () => {
    const cwd = await longLog(2_000);
    const pipeline = await createPipeline({ database: join(cwd, "log.db"), workingFolder: cwd });
    const pages: number[] = [];
    for await (const page of eventsFrom(pipeline.audit, {}, 0)) pages.push(page.length);
    expect(pages).toEqual([1_000, 1_000]);
    expect(await newestStart(pipeline.audit, {}, 1_500)).toBe(500);
    await pipeline.close();
  });

  test("--follow prints what comes later, written by others too, until it is interrupted", async () => {
    const cwd = await longLog(3);
    const stop = new AbortController();
    const stdout = new Sink();
    const following = synapse(
      { cwd, stdout, signal: stop.signal },
      ...["audit", "list", "--db", "log.db", "--limit", "1", "--follow", "--json"],
    );
    await expect
      .poll(() => documents({ stdout: stdout.text }).map(({ seq }) => seq), { timeout: 20_000 })
      .toEqual([3]);
    await synapse({ cwd }, "suspend", "--agent", "a", "--by", "ops", "--db", "log.db");
    await expect
      .poll(() => documents({ stdout: stdout.text }).map(({ event }) => event), { timeout: 20_000 })
      .toContain("agent_suspended");
    stop.abort();
    expect((await following).code).toBe(130);
    expect(documents({ stdout: stdout.text })).toHaveLength(2);
  });

  test("an interrupted listing stops between pages", async () => {
    const cwd = await longLog(1_500);
    const outcome = await synapse(
      { cwd, signal: AbortSignal.abort() },
      "audit",
      "list",
      "--db",
      "log.db",
      "--json",
    );
    expect(outcome.code).toBe(130);
    expect(documents(outcome)).toHaveLength(1_000);
  });
});

describe("a reader that goes away, a disk that is full", () => {
  class Broken extends Writable {
    writes = 0;

    constructor(readonly code: string) {
      super();
    }

    override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
      if (chunk.length > 0) this.writes++;
      if (chunk.length > 0) done(Object.assign(new Error(`write ${this.code}`), { code: this.code }));
      else done();
    }
  }

  const into = async (stdout: Writable, cwd: string, ...argv: string[]) => {
    const stderr = new Sink();
    const code = await runCli(argv, { stdout, stderr, env: {}, cwd });
    return { code, stderr: stderr.text };
  };

  test("a reader that went away ends a listing quietly, after the page that told", async () => {
    const cwd = await longLog(3_000);
    const stdout = new Broken("EPIPE");
    const words = ["audit", "list", "--db", "log.db", "--follow"];
    expect(await into(stdout, cwd, ...words)).toEqual({ code: 0, stderr: "" });
    expect(stdout.writes).toBe(1);
  });

  test("a run goes on to its recorded end when nobody reads any more", async () => {
    const cwd = folder({ "p.yaml": policy, "good.yaml": good });
    const words = ["run", "good.yaml", "--policy", "p.yaml", "--json"];
    expect(await into(new Broken("EPIPE"), cwd, ...words)).toEqual({ code: 0, stderr: "" });
    expect(document(await synapse({ cwd }, "runs", "--json"))).toMatchObject({ status: "completed" });
  });

  test("output that is lost in another way is an error: exit code 1", async () => {
    const cwd = await longLog(1);
    const { code, stderr } = await into(new Broken("ENOSPC"), cwd, "audit", "list", "--db", "log.db");
    expect(code).toBe(1);
    expect(stderr).toBe("error[output_failed]: the output could not be written: write ENOSPC\n");
    const runs = await into(new Broken("ENOSPC"), cwd, "runs", "--db", "log.db");
    expect(runs).toEqual({ code: 1, stderr });
  });
});
