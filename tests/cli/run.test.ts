import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Document, document, documents, expectRefusal, folder, Sink, synapse } from "./invoke.js";
import { denied, failing, failingPolicy, good, policy, slow, slowPolicy } from "./workflows.js";

const files = { "p.yaml": policy, "good.yaml": good, "denied.yaml": denied };

function run(cwd: string, workflow: string, ...more: string[]) {
  return synapse({ cwd }, "run", workflow, "--policy", "p.yaml", ...more);
}

describe("run --json", () => {
  test("prints every event as it stands in the log, then the summary", async () => {
    const cwd = folder(files);
    const outcome = await run(cwd, "good.yaml", "--json");
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    const printed = documents(outcome);
    const summary = printed.pop() ?? {};
    expect(printed).toEqual(documents(await synapse({ cwd }, "audit", "list", "--json")));
    expect(printed.map(({ seq }) => seq)).toEqual(printed.map((_, index) => index + 1));
    expect(Object.keys(summary).sort()).toEqual(["result_digest", "run_id", "status", "steps"]);
    expect(summary).toMatchObject({
      status: "completed",
      result_digest: expect.stringMatching(/^sha256:/) as unknown,
    });
    expect(summary["steps"]).toEqual(
      ["put", "get"].map((step_id) => ({
        step_id,
        status: "completed",
        reason: null,
        binding_id: expect.stringMatching(/^bind_/) as unknown,
        output_digest: expect.stringMatching(/^sha256:/) as unknown,
      })),
    );
  });

  test("the same seed and inputs give the same digest; other inputs another one", async () => {
    const cwd = folder(files);
    const digest = async (...more: string[]) =>
      documents(await run(cwd, "good.yaml", ...more, "--json")).at(-1)?.["result_digest"];
    const first = await digest("--seed", "7", "--concurrency", "1");
    expect(await digest("--seed", "7")).toBe(first);
    expect(await digest("--seed", "7", "--input", "word=bye")).not.toBe(first);
    const [started] = documents(await synapse({ cwd }, "audit", "list", "--event", "run_started", "--json"));
    expect(started).toMatchObject({ seed: 7 });
  });
});

describe("exit codes of a run", () => {
  test("a denied step: 3, and what needed it never starts", async () => {
    const cwd = folder(files);
    const outcome = await run(cwd, "denied.yaml", "--json");
    expect(outcome.code).toBe(3);
    expect(documents(outcome).at(-1)).toMatchObject({
      status: "denied",
      steps: [
        {
          step_id: "peek",
          status: "denied",
          reason: "no_binding_found",
          binding_id: null,
          output_digest: null,
        },
        { step_id: "put", status: "skipped" },
      ],
    });
  });

  test("a failed step: 1", async () => {
    const cwd = folder({ "p.yaml": failingPolicy, "failing.yaml": failing });
    const outcome = await run(cwd, "failing.yaml");
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/^✗ failed .* read .* filer .* allowed by bind_\S+; \w+: /m);
  });

  test("stopped by a signal: 130, running steps are cancelled, the run is on record and summed up", async () => {
    const cwd = folder({ "p.yaml": slowPolicy, "slow.yaml": slow });
    const stop = new AbortController();
    const stdout = new Sink();
    const running = synapse(
      { cwd, stdout, signal: stop.signal },
      "run",
      "slow.yaml",
      "--policy",
      "p.yaml",
      "--json",
    );
    await expect.poll(() => stdout.text, { timeout: 20_000 }).toContain('"effect_attempted"');
    stop.abort();
    const outcome = await running;
    expect(outcome.code).toBe(130);
    expect(documents(outcome).at(-1)).toMatchObject({
      status: "cancelled",
      steps: [
        { step_id: "nap", status: "cancelled" },
        { step_id: "after", status: "cancelled" },
      ],
    });
    expect(document(await synapse({ cwd }, "runs", "--json"))).toMatchObject({ status: "cancelled" });
  });

  test("stopped before it began: 130, and nothing ran", async () => {
    const cwd = folder({ "p.yaml": slowPolicy, "slow.yaml": slow });
    const outcome = await synapse(
      { cwd, signal: AbortSignal.abort() },
      "run",
      "slow.yaml",
      "--policy",
      "p.yaml",
    );
    expect(outcome.code).toBe(130);
    expect(outcome.stdout).toMatch(/^■ cancelled .* nap .* never started/m);
    expect(
      documents(await synapse({ cwd }, "audit", "list", "--event", "step_execution_authorized", "--json")),
    ).toEqual([]);
  });
});

describe("what a person wrote is checked before anything is recorded", () => {
  const refusals: readonly (readonly [
    string,
    { readonly [file: string]: string },
    readonly string[],
    string,
    RegExp,
  ])[] = [
    [
      "a workflow that is no YAML",
      { "w.yaml": "name: [" },
      ["w.yaml"],
      "invalid_workflow",
      /: w\.yaml:1:\d+: /,
    ],
    [
      "a misspelt member, with what was meant",
      { "w.yaml": good.replace("agent:", "agnet:") },
      ["w.yaml"],
      "invalid_workflow",
      /w\.yaml:6:\d+: .*agnet[^]*hint: .*agent/,
    ],
    [
      "an unknown input",
      { "w.yaml": good },
      ["w.yaml", "--input", "wrod=x"],
      "invalid_data",
      /no input `wrod`\nhint: .*word/,
    ],
    [
      "an input of another type",
      { "w.yaml": good },
      ["w.yaml", "--input", "times=many"],
      "invalid_input",
      /`times`/,
    ],
    [
      "a prototype's name as input",
      { "w.yaml": good },
      ["w.yaml", "--input", "__proto__=x"],
      "invalid_data",
      /__proto__/,
    ],
    [
      "a policy that is wrong, named as it was given",
      { "w.yaml": good, "p.yaml": "version: 2\n" },
      ["w.yaml", "--policy", "./p.yaml"],
      "invalid_policy",
      /: \.\/p\.yaml:1:10: .*must be 1/,
    ],
  ];
  test.each(refusals)("%s", async (_what, written, argv, errorCode, said) => {
    const cwd = folder(written);
    expectRefusal(await synapse({ cwd }, "run", ...argv), 2, errorCode, said);
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });

  test("an unknown action stops the run before its policy is applied", async () => {
    const cwd = folder({ "p.yaml": policy, "w.yaml": good.replace("memory.set", "memory.sett") });
    expectRefusal(
      await run(cwd, "w.yaml"),
      2,
      "invalid_workflow",
      /unknown action `memory\.sett`[^]*hint: .*memory\.set/,
    );
    expect((await synapse({ cwd }, "audit", "list")).stdout).toBe("");
  });

  test("files that are not text, or too large to be written by a person", async () => {
    const cwd = folder({ "big.yaml": "#".repeat(4 * 1024 * 1024 + 1) });
    expectRefusal(await synapse({ cwd }, "run", "big.yaml"), 2, "unreadable_file", /larger than 4 MiB/);
    expectRefusal(await synapse({ cwd }, "run", "/dev/zero"), 2, "unreadable_file", /larger than 4 MiB/);
    writeFileSync(join(cwd, "latin.yaml"), Buffer.from("name: na\u00efve", "latin1"));
    expectRefusal(await synapse({ cwd }, "run", "latin.yaml"), 2, "unreadable_file", /not UTF-8/);
  });
});

describe("inputs", () => {
  const typed = `name: typed
inputs:
  text: { type: string, required: true }
  bare: { required: true }
  number: 1
  flag: { type: boolean, default: false }
  list: [1]
  shape: { default: { a: 1 } }
steps:
  - { id: put, agent: scribe, action: memory.set, with: { key: notes/a, value: "\${{ inputs }}" } }
  - { id: get, agent: scribe, action: memory.set, needs: [put], with: { key: notes/b, value: 1 } }
`;

  test.each([
    ["number", "number=ten", "a number"],
    ["number", "number=1e999", "a number"],
    ["flag", "flag=yes", "true or false"],
    ["list", "list={}", "a JSON list"],
    ["shape", "shape={", "JSON"],
  ])("%s: `%s` is not %s", async (name, given, kind) => {
    const cwd = folder({ "w.yaml": typed });
    const outcome = await synapse(
      { cwd },
      "run",
      "w.yaml",
      "--input",
      "text=a",
      "--input",
      "bare=b",
      "--input",
      given,
    );
    expectRefusal(outcome, 2, "invalid_input", new RegExp(`input \`${name}\` must be ${kind}`));
  });

  test("texts become what the workflow declares, and stay text where it declares nothing", async () => {
    const cwd = folder({ "p.yaml": `${policy}`, "w.yaml": typed });
    const given = ["text=1", "bare=true", "number=2.5", "flag=true", "list=[2]", 'shape={"b":"="}'];
    const { code } = await run(cwd, "w.yaml", ...given.flatMap((one) => ["--input", one]));
    expect(code).toBe(0);
    const { openStore } = await import("../../src/index.js");
    const { driverOf } = await import("../../src/core/store.js");
    const store = openStore({ database: join(cwd, ".synapse/synapse.db"), create: false });
    const stored = driverOf(store).memoryValue("notes/a");
    store.close();
    expect(stored).toEqual({
      text: "1",
      bare: "true",
      number: 2.5,
      flag: true,
      list: [2],
      shape: { b: "=" },
    });
  });

  test("a required input that is missing", async () => {
    const cwd = folder({ "w.yaml": typed });
    expectRefusal(
      await synapse({ cwd }, "run", "w.yaml", "--input", "text=a"),
      2,
      "invalid_data",
      /`bare` is required/,
    );
  });
});

describe("what people see of a run", () => {
  test("a header, a line for each step with its decision and why, a sum, and where the evidence is", async () => {
    const cwd = folder(files);
    const { stdout } = await run(cwd, "denied.yaml", "--db", "my runs.db");
    const runId = /run +(run_\S+)/.exec(stdout)?.[1] ?? "";
    expect(stdout).toMatch(/^policy +notes · 4 changes recorded\nworkflow +forbidden\n/);
    expect(stdout).toMatch(/^agent +scribe$/m);
    expect(stdout).toMatch(
      /^⊘ denied +peek +scribe +memory:read:notes\/a +\d.* m?s +no_binding_found: a contract covers `memory:read:notes\/a`/m,
    );
    expect(stdout).toMatch(/^– skipped +put +scribe +- +never started$/m);
    expect(stdout).toMatch(/^result +⊘ denied\nsteps +1 denied, 1 skipped · in /m);
    expect(stdout).toContain(`synapse show ${runId} --db 'my runs.db'`);
    expect(stdout).toContain(`synapse audit list --run ${runId} --db 'my runs.db'`);
    expect(stdout).toMatch(/^database +my runs\.db$/m);
  });

  test("steps that ran say by which binding, and a policy that is in force already says so", async () => {
    const cwd = folder(files);
    await run(cwd, "good.yaml");
    const { stdout } = await run(cwd, "good.yaml");
    expect(stdout).toMatch(/^policy +notes · no changes$/m);
    expect(stdout).toMatch(/^✓ completed +put +scribe +memory:write:notes\/a +\d.* allowed by bind_/m);
    expect(stdout).toMatch(/^agents +scribe, reader$/m);
  });

  test("a step that is skipped by its condition, and one that was tried again", async () => {
    const cwd = folder({
      "p.yaml": failingPolicy,
      "w.yaml": `name: w
steps:
  - { id: never, agent: filer, action: fs.read, if: "false", with: { path: a } }
  - { id: again, agent: filer, action: fs.read, retry: { attempts: 1, delay: 1ms }, with: { path: missing.txt } }
`,
    });
    const { stdout } = await run(cwd, "w.yaml");
    expect(stdout).toMatch(/^– skipped +never +filer +- .* its condition is false$/m);
    expect(stdout).toMatch(/^✗ failed +again .* \(try 2\)$/m);
  });
});

describe("the policy of a run", () => {
  test("is recorded as applied by whom the environment names", async () => {
    const cwd = folder(files);
    await synapse({ cwd, env: { USER: "ada" } }, "run", "good.yaml", "--policy", "p.yaml");
    await synapse({ cwd, env: {} }, "policy", "apply", "p.yaml");
    const applied = documents(await synapse({ cwd }, "audit", "list", "--event", "policy_applied", "--json"));
    expect(applied.map(({ by, file }): Document => ({ by, file }))).toEqual([
      { by: "ada", file: join(cwd, "p.yaml") },
    ]);
  });

  test("is out of the agents' reach while they run, by its real path (SEMANTICS H2)", async () => {
    const own = `version: 1
contracts: { all: { capability: "fs:write:./**" } }
agents: { filer: ["fs:write:./**"] }
`;
    const workflow = `name: coup
steps:
  - { id: rewrite, agent: filer, action: fs.write, with: { path: own.yaml, content: "version: 1" } }
`;
    const cwd = folder({ "own.yaml": own, "w.yaml": workflow });
    symlinkSync("own.yaml", join(cwd, "p.yaml"));
    const outcome = await run(cwd, "w.yaml", "--json");
    expect(outcome.code).toBe(1);
    expect(documents(outcome).at(-1)).toMatchObject({ steps: [{ step_id: "rewrite", status: "failed" }] });
    expect(documents(outcome).map(({ event }) => event)).toContain("effect_denied");
  });
});
