/** Replays of the command line: of a database and of bundles, and runs done over for real. */
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bundled, digestOfFolder, recordEverything } from "../replay/everything.js";
import { document, documents, expectRefusal, folder, type Outcome, synapse } from "./invoke.js";
import { denied, failing, failingPolicy, good, policy } from "./workflows.js";

async function goodRun(): Promise<{ readonly cwd: string; readonly runId: string }> {
  const cwd = folder({ "p.yaml": policy, "good.yaml": good });
  const run = await synapse({ cwd }, "run", "good.yaml", "--policy", "p.yaml", "--json");
  return { cwd, runId: String(documents(run).at(-1)?.["run_id"]) };
}

describe("synapse replay", () => {
  test("a run with every built-in handle is identical after everything outside is gone", async () => {
    const { cwd, runId, server, hits, synapse: run } = await recordEverything();
    const summary = document(await run("show", runId, "--json"));
    expect((summary["steps"] as { status: string }[]).map(({ status }) => status).sort()).toEqual(
      [...Array<string>(11).fill("completed"), "denied", "failed", "failed"].sort(),
    );
    await new Promise((resolve) => server.close(resolve));
    for (const name of ["binary", "p.yaml", "w.yaml"]) rmSync(join(cwd, name));
    rmSync(join(cwd, "tmp"), { recursive: true });
    writeFileSync(join(cwd, "tmp"), "in the way");
    const before = [digestOfFolder(cwd), hits()];

    const outcome = await run("replay", "--json");
    const steps = documents(outcome);
    expect(steps.pop()).toEqual({ run_id: runId, status: "identical" });
    expect(steps).toHaveLength(14);
    for (const step of steps) {
      expect(step).toMatchObject({ run_id: runId, attempt: 1, decision: { status: "identical" } });
      if (step["allowed"] === true) {
        const effects = step["action"] === "script.run" ? 3 : 1;
        expect(step["execution"]).toEqual({ status: "identical", effects });
      } else expect(step).not.toHaveProperty("execution");
    }
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toBe("");
    // Nothing was appended, no lease was taken, nothing was asked for outside (R4).
    expect([digestOfFolder(cwd), hits()]).toEqual(before);
  });

  test("people get a line a step, and the first divergence with both sides", async () => {
    const { cwd, runId } = await goodRun();
    const { code, stdout } = await synapse({ cwd }, "replay", runId);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^✓ identical +put +scribe +memory\.set +allowed, 1 use of handles$/m);
    expect(stdout).toMatch(/^steps +2 identical$/m);
  });

  test("works on a database that cannot be written", async () => {
    const { cwd } = await goodRun();
    const state = join(cwd, ".synapse");
    chmodSync(join(state, "synapse.db"), 0o400);
    expect((await synapse({ cwd }, "replay")).code).toBe(0);
  });

  test("what was denied is decided again, what failed fails again", async () => {
    const cwd = folder({
      "p.yaml": policy,
      "d.yaml": denied,
      "f.yaml": failing,
      "fp.yaml": failingPolicy,
    });
    expect((await synapse({ cwd }, "run", "d.yaml", "--policy", "p.yaml")).code).toBe(3);
    expect(documents(await synapse({ cwd }, "replay", "--json"))[0]).toMatchObject({
      allowed: false,
      decision: { status: "identical" },
    });
    expect((await synapse({ cwd }, "run", "f.yaml", "--policy", "fp.yaml")).code).toBe(1);
    const replay = await synapse({ cwd }, "replay", "--json");
    expect(documents(replay)[0]).toMatchObject({ execution: { status: "identical", effects: 1 } });
    expect(replay.code).toBe(0);
  });

  test("--step replays that one; a step or run that is not there is told with 2", async () => {
    const { cwd, runId } = await goodRun();
    const one = documents(await synapse({ cwd }, "replay", runId, "--step", "get", "--json"));
    expect(one.map((line) => line["step_id"])).toEqual(["get", undefined]);
    expectRefusal(await synapse({ cwd }, "replay", runId, "--step", "none", "--json"), 2, "not_found");
    expectRefusal(await synapse({ cwd }, "replay", "run_none", "--json"), 2, "not_found");
    expectRefusal(await synapse({ cwd }, "replay", "run_none", "--live"), 2, "not_found");
  });

  test("no run at all, and no database", async () => {
    const cwd = folder({ "p.yaml": policy });
    expectRefusal(await synapse({ cwd }, "replay"), 2, "missing_store");
    expectRefusal(await synapse({ cwd }, "replay", "--live"), 2, "missing_store");
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
    await synapse({ cwd }, "policy", "apply", "p.yaml");
    expectRefusal(await synapse({ cwd }, "replay"), 2, "not_found");
    expectRefusal(await synapse({ cwd }, "replay", "--live"), 2, "not_found");
  });

  test("interrupted: 130, and no verdict", async () => {
    const { cwd } = await goodRun();
    const stopped = await synapse({ cwd, signal: AbortSignal.abort() }, "replay", "--json");
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toBe("");
  });

  test("options that do not go together: 2", async () => {
    const { cwd } = await goodRun();
    expectRefusal(await synapse({ cwd }, "replay", "--live", "--step", "put"), 2, "usage");
    expectRefusal(await synapse({ cwd }, "replay", "--live", "--from-bundle", "b"), 2, "usage");
  });
});

describe("synapse bundle", () => {
  test("replays from the file alone, in a folder with nothing in it", async () => {
    const all = await recordEverything();
    const { file, vkey } = await bundled(all);
    await new Promise((resolve) => all.server.close(resolve));
    const elsewhere = folder();
    const key = ["--key", vkey];
    const replay = await synapse({ cwd: elsewhere }, "replay", "--from-bundle", file, ...key, "--json");
    expect(documents(replay).at(-1)).toEqual({ run_id: all.runId, status: "identical" });
    expect(replay.code).toBe(0);
    const check = await synapse({ cwd: elsewhere }, "audit", "check-bundle", file, "--key", vkey, "--json");
    expect(document(check)).toMatchObject({
      ok: true,
      authenticated: true,
      complete: false,
      run_id: all.runId,
      missing: 0,
    });
    expect(check.code).toBe(0);
    const { stdout } = await synapse({ cwd: elsewhere }, "audit", "check-bundle", file, ...key);
    expect(stdout).toContain("it holds a part of that log");
    expect(digestOfFolder(elsewhere)).toBe(digestOfFolder(folder()));
  });

  test("without a key it proves nothing: 4, unless that is asked for (R5)", async () => {
    const { file } = await bundled(await goodRun());
    const cwd = folder();
    for (const command of [
      ["replay", "--from-bundle", file],
      ["audit", "check-bundle", file],
    ]) {
      expectRefusal(await synapse({ cwd }, ...command), 4, "unauthenticated");
      const told = await synapse({ cwd }, ...command, "--unauthenticated");
      expect(told.code).toBe(0);
      expect(told.stderr).toContain("UNAUTHENTICATED");
    }
  });

  test("is for its owner alone, replaces nothing, and leaves nothing behind when it cannot be made", async () => {
    const run = await goodRun();
    const { file } = await bundled(run);
    expectRefusal(
      await synapse({ cwd: run.cwd }, "bundle", run.runId, "-o", file),
      1,
      "unwritable_file",
      /it exists/,
    );
    expectRefusal(await synapse({ cwd: run.cwd }, "bundle", "run_none", "-o", "x"), 2, "not_found");
    expect(existsSync(join(run.cwd, "x"))).toBe(false);
    const interrupted = { cwd: run.cwd, signal: AbortSignal.abort() };
    expect((await synapse(interrupted, "bundle", run.runId, "-o", "y")).code).not.toBe(0);
    expect(existsSync(join(run.cwd, "y"))).toBe(false);
  });

  test("another run than the one inside is not found in it", async () => {
    const { file, vkey } = await bundled(await goodRun());
    const argv = ["replay", "run_other", "--from-bundle", file, "--key", vkey];
    expectRefusal(await synapse({ cwd: folder() }, ...argv), 2, "not_found");
  });

  test("--complete holds every event of the log", async () => {
    const run = await goodRun();
    const { file, vkey } = await bundled(run, "--complete");
    const check = document(
      await synapse({ cwd: folder() }, "audit", "check-bundle", file, "--key", vkey, "--json"),
    );
    expect(check).toMatchObject({ complete: true, events: check["size"] });
  });
});

/** Behind the events and the summary of the new run. */
const changesIn = (live: Outcome) => documents(live).filter((one) => one["what"] !== undefined);

describe("synapse replay --live", () => {
  test("nothing changed: a new run that says what it replays, and 0", async () => {
    const { cwd, runId } = await goodRun();
    const live = await synapse({ cwd }, "replay", "--live", "--json");
    expect(documents(live).at(-1)).toEqual({ replays: runId, changes: 0 });
    expect(live.code).toBe(0);
    const started = documents(await synapse({ cwd }, "audit", "list", "--event", "run_started", "--json"));
    expect(started).toHaveLength(2);
    expect(started.map((event) => event["replays"])).toEqual([undefined, runId]);
    expect((await synapse({ cwd }, "replay")).code).toBe(0);
  });

  test("an answer that changed is told with both sides: 4", async () => {
    const cwd = folder({ "f.yaml": failing, "fp.yaml": failingPolicy });
    await synapse({ cwd }, "run", "f.yaml", "--policy", "fp.yaml");
    writeFileSync(join(cwd, "missing.txt"), "\u001b[31mthere");
    const live = await synapse({ cwd }, "replay", "--live", "--json");
    expect(live.code).toBe(4);
    expect(changesIn(live)).toEqual([
      { step_id: "read", n: null, what: "outcome", recorded: { failed: "not_found" }, live: "completed" },
      {
        step_id: "read",
        n: 1,
        what: "fs.read",
        recorded: { failed: "not_found" },
        live: { answer: { text: "\u001b[31mthere" } },
      },
    ]);
    writeFileSync(join(cwd, "missing.txt"), "other");
    const text = (await synapse({ cwd }, "replay", "--live")).stdout;
    expect(text).toMatch(/^changed +read: use 1 \(fs\.read\)$/m);
    expect(text).toMatch(/^changed +read: output$/m);
    expect(text).not.toContain("\u001b[31m");
  });

  test("goes through the guard: what was revoked since is denied, and told as a change", async () => {
    const { cwd } = await goodRun();
    const bindings = documents(await synapse({ cwd }, "bindings", "--json"));
    expect(bindings.length).toBeGreaterThan(0);
    for (const binding of bindings) {
      const unbound = await synapse({ cwd }, "unbind", String(binding["binding_id"]), "--by", "ops");
      expect(unbound).toMatchObject({ code: 0 });
    }
    const live = await synapse({ cwd }, "replay", "--live", "--json");
    expect(live.code).toBe(4);
    expect(changesIn(live)[0]).toMatchObject({
      step_id: "put",
      what: "outcome",
      recorded: "completed",
      live: { denied: expect.stringMatching(/revoked|no_/) as string },
    });
    expect((await synapse({ cwd }, "replay")).code).toBe(0);
  });

  test("from another folder than the recorded one: refused before anything runs", async () => {
    const { cwd } = await goodRun();
    const other = folder();
    const db = join(cwd, ".synapse/synapse.db");
    const refused = await synapse({ cwd: other }, "replay", "--live", "--db", db);
    expectRefusal(refused, 2, "other_folder");
    expect(documents(await synapse({ cwd }, "runs", "--json"))).toHaveLength(1);
  });
});
