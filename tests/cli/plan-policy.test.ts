import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { documents, expectRefusal, folder, synapse } from "./invoke.js";
import { denied, good, policy } from "./workflows.js";

const files = { "p.yaml": policy, "good.yaml": good, "denied.yaml": denied };

describe("plan", () => {
  test("gives every step's decision as of now, and ends with 0 whatever it finds", async () => {
    const cwd = folder(files);
    const outcome = await synapse({ cwd }, "plan", "denied.yaml", "--policy", "p.yaml", "--json");
    expect(outcome.code).toBe(0);
    expect(documents(outcome)).toEqual([
      {
        step_id: "peek",
        agent: "scribe",
        action: "memory.get",
        capability: "memory:read:notes/a",
        requires: ["memory:read:notes/a"],
        allowed: false,
        reason: "no_binding_found",
      },
      {
        step_id: "put",
        agent: "scribe",
        action: "memory.set",
        capability: "memory:write:notes/b",
        requires: ["memory:write:notes/b"],
        allowed: true,
        reason: null,
      },
    ]);
  });

  test("with a policy needs no database and makes none, and says that it looked at an empty one", async () => {
    const cwd = folder(files);
    const outcome = await synapse({ cwd }, "plan", "good.yaml", "--policy", "p.yaml");
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toBe(
      "note: there is no database at .synapse/synapse.db, so this is as for an empty one\n",
    );
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });

  test("without a policy looks at what is in force, so a missing database is refused", async () => {
    const cwd = folder(files);
    expectRefusal(await synapse({ cwd }, "plan", "good.yaml"), 2, "missing_store");
    await synapse({ cwd }, "policy", "apply", "p.yaml");
    const rows = documents(await synapse({ cwd }, "plan", "good.yaml", "--json"));
    expect(rows.map(({ allowed }) => allowed)).toEqual([true, true]);
  });

  test("records and changes nothing, a policy that is tried included", async () => {
    const cwd = folder({ ...files, "none.yaml": "version: 1\nname: notes\n" });
    await synapse({ cwd }, "policy", "apply", "p.yaml");
    const before = (await synapse({ cwd }, "audit", "list", "--json")).stdout;
    const rows = documents(await synapse({ cwd }, "plan", "good.yaml", "--policy", "none.yaml", "--json"));
    expect(rows.map(({ allowed }) => allowed)).toEqual([false, false]);
    expect((await synapse({ cwd }, "audit", "list", "--json")).stdout).toBe(before);
  });

  test("people see symbols with words, and a sum", async () => {
    const cwd = folder({
      ...files,
      "w.yaml": `name: w
inputs: { on: { default: false } }
steps:
  - { id: one, agent: scribe, action: memory.set, with: { key: notes/a, value: 1 } }
  - { id: two, agent: stranger, action: memory.get, with: { key: notes/a } }
  - { id: three, agent: scribe, action: memory.set, needs: [one], with: { key: "\${{ steps.one.output.stored }}", value: 1 } }
  - { id: four, agent: scribe, action: memory.set, if: inputs.on, with: { key: notes/a, value: 1 } }
`,
    });
    const { stdout } = await synapse({ cwd }, "plan", "w.yaml", "--policy", "p.yaml");
    expect(stdout).toMatch(/^DECISION +STEP +AGENT +ACTION +CAPABILITY +REASON$/m);
    expect(stdout).toMatch(/^✓ allowed +one +scribe +memory\.set +memory:write:notes\/a$/m);
    expect(stdout).toMatch(/^⊘ denied +two +stranger .* no_binding_found$/m);
    expect(stdout).toMatch(/^\? depends +three .* known only when the steps before it have run$/m);
    expect(stdout).toMatch(/^– skipped +four /m);
    expect(stdout).toMatch(/\n\n1 allowed, 1 denied, 2 open · nothing was run or recorded\n$/);
    const on = documents(
      await synapse({ cwd }, "plan", "w.yaml", "--policy", "p.yaml", "--input", "on=true", "--json"),
    );
    expect(on[3]).toMatchObject({ step_id: "four", allowed: true });
  });
});

describe("policy apply", () => {
  test("says what it changed; applied again it changes nothing (SEMANTICS E5)", async () => {
    const cwd = folder(files);
    const first = await synapse({ cwd }, "policy", "apply", "p.yaml", "--by", "ops");
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/^\+ added {2}contract {2}\* +memory:write:notes\/\*\* +ctr_/);
    expect(first.stdout).toMatch(/^\+ added {2}binding +reader +memory:read:notes\/a +bind_/m);
    expect(first.stdout).toMatch(/^policy notes: 4 changes$/m);
    expect(await synapse({ cwd }, "policy", "apply", "p.yaml")).toEqual({
      code: 0,
      stdout: "no changes\n",
      stderr: "",
    });
    expect((await synapse({ cwd }, "policy", "apply", "p.yaml", "--json")).stdout).toBe("");
  });

  test("--json gives one document a change", async () => {
    const cwd = folder({ ...files, "less.yaml": policy.replace('  reader: ["memory:read:notes/a"]\n', "") });
    await synapse({ cwd }, "policy", "apply", "p.yaml");
    const changes = documents(
      await synapse({ cwd }, "policy", "apply", "less.yaml", "--by", "ops", "--json"),
    );
    expect(changes).toEqual([
      {
        change: "removed",
        kind: "binding",
        id: expect.stringMatching(/^bind_/) as unknown,
        agent: "reader",
        capability: "memory:read:notes/a",
      },
    ]);
  });

  test("a grant that nothing covers is shown where it stands, and nothing is applied", async () => {
    const cwd = folder({ "p.yaml": 'version: 1\nagents:\n  a: ["fs:read:/etc/passwd"]\n' });
    expectRefusal(
      await synapse({ cwd }, "policy", "apply", "p.yaml"),
      2,
      "invalid_policy",
      /p\.yaml:3:7: [^]*\nhint: /,
    );
    expect((await synapse({ cwd }, "audit", "list")).stdout).toBe("");
  });

  test("nobody named and nobody in the environment: recorded as unknown", async () => {
    const cwd = folder(files);
    await synapse({ cwd, env: { USER: "x".repeat(257) } }, "policy", "apply", "p.yaml");
    const [event] = documents(await synapse({ cwd }, "audit", "list", "--event", "policy_applied", "--json"));
    expect(event).toMatchObject({ by: "unknown" });
  });
});
