import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AuditEvent,
  AuditUnavailableError,
  defineAction,
  DocumentError,
  EffectFailedError,
} from "../../src/index.js";
import { gate, openWorld, stepEvents, type World } from "../core/world.js";
import { run, workflow } from "./world.js";

let world: World;
/** Names of the steps that ran, in the order in which they began and ended. */
let trace: string[];
let gates: { readonly [step: string]: ReturnType<typeof gate<void>> };
let failures: { [step: string]: number };

/** Runs until its gate opens, when it has one; fails as often as it was told to. */
const work = defineAction<{ output?: string }>({
  name: "test.work",
  requires: () => "job:run:a",
  idempotent: true,
  run: async (params, _handles, env) => {
    trace.push(`${env.stepId} begins`);
    const stopped = new Promise<never>((_resolve, reject) => {
      env.signal.addEventListener("abort", () => reject(new Error("stopped")));
    });
    await Promise.race([gates[env.stepId]?.promise, stopped]);
    if ((failures[env.stepId] ?? 0) > 0) {
      failures[env.stepId] = (failures[env.stepId] ?? 0) - 1;
      throw new EffectFailedError("flaky", "it failed this time");
    }
    trace.push(`${env.stepId} ends`);
    return { output: params.output ?? env.stepId, random: env.random() };
  },
});
const once = defineAction({ name: "test.once", requires: () => "job:run:a", run: () => 1 });

beforeEach(async () => {
  world = await openWorld({ actions: [work, once] });
  await world.grant("agent", "job:run:a");
  trace = [];
  gates = {};
  failures = {};
});
afterEach(() => world.close());

const step = (id: string, more: object = {}) => ({ id, agent: "agent", action: "test.work", ...more });
const own = (runId: string): AuditEvent[] => world.committed().filter((event) => event["run_id"] === runId);
const until = async (line: string) => {
  while (!trace.includes(line)) await new Promise((resolve) => setImmediate(resolve));
};

describe("order", () => {
  test("steps that need nothing run together, others as soon as what they need has ended", async () => {
    gates = { a: gate(), b: gate() };
    const running = run(
      world.pipeline,
      workflow([step("c", { needs: ["a"] }), step("a"), step("b"), step("d", { needs: ["a", "b"] })]),
    );
    await until("a begins");
    await until("b begins");
    expect(trace).not.toContain("c begins");
    gates["a"]?.open();
    await until("c ends");
    expect(trace).not.toContain("d begins");
    gates["b"]?.open();
    expect(await running).toMatchObject({ status: "completed" });
    expect(trace.slice(-2)).toEqual(["d begins", "d ends"]);
  });

  test("one at a time runs them as they are written", async () => {
    await run(world.pipeline, workflow([step("a"), step("b"), step("c")]), { concurrency: 1 });
    expect(trace).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  test.each([0, -1, 1.5, Number.NaN])(
    "a concurrency of %d is a TypeError, and no run",
    async (concurrency) => {
      await expect(run(world.pipeline, workflow([step("a")]), { concurrency })).rejects.toThrow(TypeError);
      expect(world.committed().some(({ event }) => event === "run_started")).toBe(false);
    },
  );
});

describe("conditions", () => {
  test("a step whose condition is false is skipped and asks nothing of the guard", async () => {
    const definition = workflow([
      step("a"),
      step("b", { needs: ["a"], if: '${{ steps.a.output.output == "nothing like it" }}' }),
      step("c", { needs: ["b"], if: '${{ steps.b.status == "skipped" }}' }),
      step("d", { if: false }),
    ]);
    const { steps, run_id, status } = await run(world.pipeline, definition);
    expect(status).toBe("completed");
    expect(Object.values(steps).map((each) => each.status)).toEqual([
      "completed",
      "skipped",
      "completed",
      "skipped",
    ]);
    expect(steps["b"]).toMatchObject({ binding_id: null, output_digest: null, reason: null });
    expect(new Set(own(run_id).flatMap((event) => event["step_id"] ?? []))).toEqual(new Set(["a", "c"]));
  });

  test("a condition that fails, or gives no yes or no, fails its step", async () => {
    const definition = workflow([
      step("a"),
      step("b", { needs: ["a"], if: "steps.a.output.missing", on_error: "continue" }),
      step("c", { needs: ["a"], if: "steps.a.output.output" }),
    ]);
    const { steps, status } = await run(world.pipeline, definition);
    expect(status).toBe("failed");
    for (const id of ["b", "c"])
      expect(steps[id]).toMatchObject({ status: "failed", reason: "expression_failed" });
    expect(trace).toEqual(["a begins", "a ends"]);
  });
});

describe("what one step gives, another may use", () => {
  test("real files: read, transform, write", async () => {
    writeFileSync(join(world.folder, "in.txt"), "content");
    await world.grant("agent", `fs:*:${world.folder}/**`);
    const definition = workflow([
      { id: "read", agent: "agent", action: "fs.read", with: { path: "in.txt" } },
      {
        id: "write",
        agent: "agent",
        action: "fs.write",
        needs: ["read"],
        with: { path: "out/copy.txt", content: "<${{ steps.read.output.text }}>" },
      },
    ]);
    mkdirSync(join(world.folder, "out"));
    const { steps, run_id } = await run(world.pipeline, definition);
    expect(steps["write"]).toMatchObject({ status: "completed" });
    expect(readFileSync(join(world.folder, "out/copy.txt"), "utf8")).toBe("<content>");
    const requested = own(run_id).filter(({ event }) => event === "step_execution_requested");
    expect(requested.map(({ capability }) => capability)).toEqual([
      `fs:read:${world.folder}/in.txt`,
      `fs:write:${world.folder}/out/copy.txt`,
    ]);
  });

  test("real programs, in the working folder, under the binding's own arguments", async () => {
    const args = ["-c", "printf '%s' \"$PWD\""];
    const constraints = { params: { type: "object", properties: { args: { const: args } } } };
    await world.grant("agent", "os:process:sh", { constraints });
    await world.grant("agent", `fs:list:${world.folder}`);
    const process = (id: string, given: string[]) => ({
      id,
      agent: "agent",
      action: "process.run",
      with: { program: "sh", args: given },
      on_denied: "continue",
    });
    const definition = workflow([
      process("allowed", args),
      process("other", ["-c", "echo anything else"]),
      step("after", { needs: ["allowed"], with: { output: "${{ steps.allowed.output.stdout }}" } }),
    ]);
    const { steps } = await run(world.pipeline, definition);
    expect(steps["allowed"]).toMatchObject({ status: "completed" });
    expect(steps["other"]).toMatchObject({ status: "denied", reason: "constraint_violated" });
    expect(steps["after"]).toMatchObject({ status: "completed" });
  });

  test.each(["*", "**", "a\\*", "*.txt"])(
    "an output of %j is a name, not a wildcard (C7)",
    async (output) => {
      await world.grant("agent", `fs:write:${world.folder}/*`);
      const definition = workflow([
        step("name", { with: { output } }),
        {
          id: "write",
          agent: "agent",
          action: "fs.write",
          needs: ["name"],
          capability: `fs:write:${world.folder}/\${{ steps.name.output.output }}`,
          with: { path: `${world.folder}/\${{ steps.name.output.output }}`, content: "x" },
        },
        {
          id: "other",
          agent: "agent",
          action: "fs.write",
          needs: ["name", "write"],
          capability: `fs:write:${world.folder}/\${{ steps.name.output.output }}`,
          with: { path: `${world.folder}/other.txt`, content: "x" },
        },
      ]);
      const { steps } = await run(world.pipeline, definition);
      expect(steps["write"]).toMatchObject({ status: "completed" });
      expect(existsSync(join(world.folder, output))).toBe(true);
      expect(steps["other"]).toMatchObject({ status: "denied", reason: "capability_mismatch" });
      expect(existsSync(join(world.folder, "other.txt"))).toBe(false);
    },
  );

  test("a scope without a capability narrows what the action requires with these parameters (A4)", async () => {
    await world.grant("agent", `fs:write:${world.folder}/**`);
    const write = (id: string, path: string, scope: string) => ({
      id,
      agent: "agent",
      action: "fs.write",
      scope,
      with: { path: `${world.folder}/${path}`, content: "x" },
      on_denied: "continue",
      on_error: "continue",
    });
    mkdirSync(join(world.folder, "out"));
    const definition = workflow(
      [
        write("inside", "out/a", `${world.folder}/out/**`),
        write("filled", "out/b", `${world.folder}/\${{ inputs.place }}/*`),
        write("outside", "c", `${world.folder}/out/**`),
        // What is filled in is a name and no pattern (C7).
        write("wild", "out/d", `${world.folder}/\${{ inputs.star }}/*`),
        write("malformed", "out/e", "out/**"),
        // What it requires cannot be told: the guard refuses that, whatever the scope.
        { ...write("unknown", "out/f", `${world.folder}/**`), with: { path: 7, content: "x" } },
      ],
      { inputs: { place: { type: "string" }, star: { type: "string" } } },
    );
    const { steps, run_id } = await run(world.pipeline, definition, { inputs: { place: "out", star: "*" } });
    for (const id of ["inside", "filled"]) expect(steps[id]).toMatchObject({ status: "completed" });
    for (const id of ["outside", "wild"])
      expect(steps[id]).toMatchObject({ status: "denied", reason: "capability_mismatch" });
    expect(steps["malformed"]).toMatchObject({ status: "failed", reason: "invalid_capability" });
    expect(steps["unknown"]).toMatchObject({ status: "denied" });
    expect(
      ["out/a", "out/b", "c", "out/d", "out/e"].map((path) => existsSync(join(world.folder, path))),
    ).toEqual([true, true, false, false, false]);
    const denied = own(run_id).filter(({ event }) => event === "step_execution_denied");
    expect(denied.map((event) => event["step_id"]).sort()).toEqual(["outside", "unknown", "wild"]);
  });

  test("an output that is a path outside is denied, and one that is no path is a failed or denied step", async () => {
    await world.grant("agent", `fs:write:${world.folder}/**`);
    for (const output of ["/etc/synapse-test", "../escape", "a/../../escape", "a\0b"]) {
      const definition = workflow([
        step("name", { with: { output } }),
        {
          id: "write",
          agent: "agent",
          action: "fs.write",
          needs: ["name"],
          with: { path: "${{ steps.name.output.output }}", content: "x" },
        },
      ]);
      const { steps, run_id } = await run(world.pipeline, definition);
      expect(steps["write"]).toMatchObject({ status: "denied" });
      expect(own(run_id).at(-2)).toMatchObject({ event: "step_execution_denied", step_id: "write" });
    }
  });

  test("an output that is not there fails the step that uses it, not the guard", async () => {
    const definition = workflow([
      step("a", { if: false }),
      step("b", { needs: ["a"], with: { output: "${{ steps.a.output.output }}" } }),
    ]);
    const { steps, status } = await run(world.pipeline, definition);
    expect(steps["b"]).toMatchObject({ status: "failed", reason: "expression_failed" });
    expect(status).toBe("failed");
  });
});

describe("when a step is denied or fails", () => {
  const denied = (more: object = {}) => step("denied", { agent: "nobody", ...more });

  test("the run stops: what runs may end, nothing else begins", async () => {
    gates = { slow: gate() };
    const definition = workflow([step("slow"), denied(), step("after", { needs: ["slow"] })]);
    const running = run(world.pipeline, definition, {
      onStep: ({ step_id }) => (step_id === "denied" ? gates["slow"]?.open() : undefined),
    });
    const { status, steps } = await running;
    expect(status).toBe("denied");
    expect(steps["denied"]).toMatchObject({ status: "denied", reason: "no_binding_found", binding_id: null });
    expect(steps["slow"]).toMatchObject({ status: "completed" });
    expect(steps["after"]).toMatchObject({ status: "skipped" });
    expect(trace).toEqual(["slow begins", "slow ends"]);
  });

  test("on_denied: continue goes on, and later steps can ask what became of it", async () => {
    const definition = workflow([
      denied({ on_denied: "continue" }),
      step("after", { needs: ["denied"], if: 'steps.denied.status == "denied"' }),
    ]);
    expect(await run(world.pipeline, definition)).toMatchObject({
      status: "completed",
      steps: { after: { status: "completed" } },
    });
  });

  test("on_error: continue is for failures, and does not excuse a denial", async () => {
    failures = { fails: 1 };
    const goes = workflow([step("fails", { on_error: "continue" }), step("after", { needs: ["fails"] })]);
    expect(await run(world.pipeline, goes)).toMatchObject({
      status: "completed",
      steps: { fails: { status: "failed", reason: "flaky" }, after: { status: "completed" } },
    });
    const stops = workflow([denied({ on_error: "continue" }), step("after", { needs: ["denied"] })]);
    expect(await run(world.pipeline, stops)).toMatchObject({
      status: "denied",
      steps: { after: { status: "skipped" } },
    });
    failures = { fails: 1 };
    const stopsToo = workflow([
      step("fails", { on_denied: "continue" }),
      step("after", { needs: ["fails"] }),
    ]);
    expect(await run(world.pipeline, stopsToo)).toMatchObject({
      status: "failed",
      steps: { after: { status: "skipped" } },
    });
  });

  test("an outcome that nobody can know is not passed over", async () => {
    const connection = new Database(world.database);
    connection.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON events
       WHEN json_extract(new.doc, '$.event') = 'step_execution_completed' BEGIN SELECT RAISE(ABORT, 'no'); END`,
    );
    connection.close();
    const definition = workflow([
      step("a", { on_error: "continue", on_denied: "continue", retry: 2 }),
      step("b", { needs: ["a"] }),
    ]);
    expect(await run(world.pipeline, definition)).toMatchObject({
      status: "unknown",
      steps: { a: { status: "unknown", reason: "audit_unavailable" }, b: { status: "skipped" } },
    });
    expect(trace).toEqual(["a begins", "a ends"]);
  });

  test("a run that cannot be recorded does not begin", async () => {
    await world.pipeline.close();
    await expect(run(world.pipeline, workflow([step("a")]))).rejects.toThrow(AuditUnavailableError);
    expect(trace).toEqual([]);
  });

  test("an error in the caller's own callback stops the run and comes back", async () => {
    const definition = workflow([step("a"), step("b", { needs: ["a"] })]);
    const onStep = () => {
      throw new RangeError("the caller's own");
    };
    await expect(run(world.pipeline, definition, { onStep })).rejects.toThrow(RangeError);
    expect(trace).toEqual(["a begins", "a ends"]);
  });
});

describe("retries (R6)", () => {
  test("a failing idempotent step is tried again; each try is a decision and a charge of its own", async () => {
    await world.grant("counted", "job:run:a", { constraints: { max_uses: 10 } });
    failures = { a: 2 };
    const definition = workflow([step("a", { agent: "counted", retry: { attempts: 3, delay: "1ms" } })]);
    const seen: number[] = [];
    const { steps, run_id } = await run(world.pipeline, definition, {
      onStep: ({ attempt }) => seen.push(attempt),
    });
    expect(steps["a"]).toMatchObject({ status: "completed" });
    expect(seen).toEqual([3]);
    const authorized = own(run_id).filter(({ event }) => event === "step_execution_authorized");
    expect(authorized.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await world.pipeline.bindingManager.getBindings("counted")).toMatchObject([{ uses: 3 }]);
  });

  test("draws the same numbers as the first try", async () => {
    failures = { a: 1 };
    const again = await run(world.pipeline, workflow([step("a", { retry: 1 })]));
    const first = await run(world.pipeline, workflow([step("a")]));
    expect(again.steps["a"]?.output_digest).toBe(first.steps["a"]?.output_digest);
  });

  test("ends with the last failure when tries are used up, and with a denial at once", async () => {
    failures = { a: 9 };
    const { steps, run_id } = await run(world.pipeline, workflow([step("a", { retry: 2 })]));
    expect(steps["a"]).toMatchObject({ status: "failed", reason: "flaky" });
    expect(stepEvents(own(run_id)).filter((name) => name === "requested")).toHaveLength(3);
    const denied = await run(world.pipeline, workflow([step("a", { agent: "nobody", retry: 2 })]));
    expect(stepEvents(own(denied.run_id))).toEqual(["requested", "denied"]);
  });

  test("not after its authority was revoked", async () => {
    const { bindingId } = await world.grant("brief", "job:run:a");
    await world.grant("brief", "job:run:a");
    gates = { a: gate() };
    const running = run(world.pipeline, workflow([step("a", { agent: "brief", retry: 5 })]));
    await until("a begins");
    const [used] = world.committed().filter(({ event }) => event === "step_execution_authorized");
    expect(used?.["binding_id"]).toBe(bindingId);
    await world.pipeline.bindingManager.unbind(bindingId);
    expect((await running).steps["a"]).toMatchObject({ status: "failed", reason: "revoked_while_running" });
    expect(trace).toEqual(["a begins"]);
  });

  test("never what may not be done twice: refused before anything runs", async () => {
    const definition = workflow([step("a"), { id: "b", agent: "agent", action: "test.once", retry: 1 }]);
    const error: unknown = await run(world.pipeline, definition).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DocumentError);
    expect(error).toMatchObject({ code: "invalid_workflow" });
    expect(trace).toEqual([]);
    expect(world.committed().some(({ event }) => event === "run_started")).toBe(false);
  });
});

describe("time-outs and cancelling", () => {
  test("a step that takes longer than its timeout fails", async () => {
    gates = { a: gate() };
    const { steps } = await run(world.pipeline, workflow([step("a", { timeout: "20ms" })]));
    expect(steps["a"]).toMatchObject({ status: "failed", reason: "deadline_exceeded" });
  });

  test("cancelling stops what runs, begins nothing else, and is recorded as run_cancelled", async () => {
    gates = { a: gate() };
    const controller = new AbortController();
    const definition = workflow([step("a"), step("b", { needs: ["a"] })]);
    const running = run(world.pipeline, definition, { signal: controller.signal });
    await until("a begins");
    controller.abort();
    const { status, steps, run_id } = await running;
    expect(status).toBe("cancelled");
    expect(steps["a"]).toMatchObject({ status: "cancelled", reason: "cancelled" });
    expect(steps["b"]).toMatchObject({ status: "cancelled", reason: null });
    expect(trace).toEqual(["a begins"]);
    expect(own(run_id).at(-1)).toMatchObject({ event: "run_cancelled", status: "cancelled" });
    expect(own(run_id).some(({ event }) => event === "run_completed")).toBe(false);
  });

  test("cancelled before it began, no step runs", async () => {
    const { status, steps } = await run(world.pipeline, workflow([step("a")]), {
      signal: AbortSignal.abort(),
    });
    expect(status).toBe("cancelled");
    expect(steps["a"]).toMatchObject({ status: "cancelled" });
    expect(trace).toEqual([]);
  });

  test("cancelling ends the pause before a retry", async () => {
    failures = { a: 9 };
    const controller = new AbortController();
    const definition = workflow([step("a", { retry: { attempts: 5, delay: "1h" } })]);
    const running = run(world.pipeline, definition, { signal: controller.signal });
    await until("a begins");
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    expect(await running).toMatchObject({ status: "cancelled" });
    expect(trace).toEqual(["a begins"]);
  });
});

describe("the trail of a run (E1, R3)", () => {
  test("begins with run_started, ends with run_completed, and holds commitments, not values", async () => {
    const definition = workflow([step("a", { with: { output: "secret-parameter" } })], {
      inputs: { word: { type: "string" } },
    });
    const inputs = { word: "secret-input" };
    const { run_id, summary } = await run(world.pipeline, definition, { inputs, seed: 7 });
    const trail = own(run_id);
    expect(trail[0]).toMatchObject({ event: "run_started", workflow_id: "wf", seed: 7, steps: 1 });
    expect(trail.at(-1)).toMatchObject({
      event: "run_completed",
      status: "completed",
      counts: { completed: 1 },
    });
    expect(stepEvents(trail)).toEqual(["requested", "authorized", "completed"]);
    for (const event of trail.filter((each) => each["step_id"] === "a")) {
      expect(event).toMatchObject({ trace_id: run_id, audit_reference: run_id, attempt: 1 });
    }
    expect(JSON.stringify(trail)).not.toMatch(/secret/);
    expect(Object.isFrozen(summary)).toBe(true);
  });

  test("two runs of the same thing have the same digest, and other ids", async () => {
    const definition = workflow([step("a"), step("b", { agent: "nobody", on_denied: "continue" })]);
    const [one, two] = [await run(world.pipeline, definition), await run(world.pipeline, definition)];
    expect(two.result_digest).toBe(one.result_digest);
    expect(two.run_id).not.toBe(one.run_id);
    const other = await run(world.pipeline, definition, { seed: 1 });
    expect(other.result_digest).not.toBe(one.result_digest);
  });

  test("two runs at once do not mix", async () => {
    const definition = workflow([step("a"), step("b", { needs: ["a"] })]);
    const runs = await Promise.all(Array.from({ length: 5 }, () => run(world.pipeline, definition)));
    expect(new Set(runs.map(({ result_digest }) => result_digest)).size).toBe(1);
    for (const { run_id } of runs) expect(own(run_id)).toHaveLength(8);
  });
});
