import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type ActionDefinition,
  builtinActions,
  defineAction,
  type ExecutionResult,
  type Handles,
  RuntimeGuard,
  SecureWorkflowExecutor,
} from "../../src/index.js";
import type { EffectGate } from "../../src/core/ports.js";
import { gate, openWorld, type World } from "./world.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

type Run = ActionDefinition["run"];

/** A step that requires `requires` and is given `ceiling` by its context. */
async function step(
  requires: string | readonly string[],
  run: Run,
  fields: { ceiling?: string; scope?: string } = {},
): Promise<ExecutionResult> {
  const action = defineAction({ name: "test.step", requires: () => requires, run });
  return world.pipeline.executor.executeStep(
    world.context({
      action,
      requiredCapability: fields.ceiling ?? [requires].flat()[0] ?? "",
      capabilityScope: fields.scope,
    }),
  );
}

/** The code of what a use of a handle was refused or failed with. */
const codeOf = (use: Promise<unknown>): Promise<string> =>
  use.then(
    () => "performed",
    (error: unknown) => (error as { readonly code: string }).code,
  );

const effects = () =>
  world
    .committed()
    .filter(({ event }) => event.startsWith("effect_"))
    .map(({ event, capability }) => `${event.slice("effect_".length)} ${capability as string}`);

describe("what is asked has to be what was authorised", () => {
  test("a use outside the requirement is refused, whatever the binding covers", async () => {
    await world.grant("agent", "memory:*:**");
    const result = await step("memory:write:a", async (_params, { memory }) => [
      await codeOf(memory.set("a", 1)),
      await codeOf(memory.set("b", 1)),
      await codeOf(memory.get("a")),
    ]);
    expect(result).toMatchObject({ output: ["performed", "outside_authority", "outside_authority"] });
    expect(effects()).toEqual([
      "attempted memory:write:a",
      "performed memory:write:a",
      "denied memory:write:b",
      "denied memory:read:a",
    ]);
  });

  test("a refusal that the action swallows is in the log all the same", async () => {
    await world.grant("agent", "memory:write:a");
    const result = await step("memory:write:a", async (_params, { memory }) => {
      await memory.get("secret").catch(() => undefined);
      return "nothing happened";
    });
    expect(result).toMatchObject({ status: "completed", output: "nothing happened" });
    const [denied] = world.committed().filter(({ event }) => event === "effect_denied");
    expect(denied).toMatchObject({
      effect: "memory.get",
      capability: "memory:read:secret",
      reason: "outside_authority",
      agent_id: "agent",
      step_id: "step",
      n: 1,
    });
  });

  test("every method exists in every step, and grants nothing by being there", async () => {
    await world.grant("agent", "job:run:a");
    const everything = (handles: Handles) => [
      handles.fs.read("/etc/passwd"),
      handles.fs.write(join(world.folder, "a"), ""),
      handles.fs.list("/"),
      handles.fs.delete(join(world.folder, "a")),
      handles.http.request({ url: "https://example.com/" }),
      handles.process.run({ program: "true" }),
      handles.memory.get("a"),
      handles.memory.set("a", 1),
    ];
    const result = await step("job:run:a", (_params, handles) =>
      Promise.all(everything(handles).map(codeOf)),
    );
    expect(result).toMatchObject({ output: Array.from({ length: 8 }, () => "outside_authority") });
    expect(effects()).toHaveLength(8);
  });
});

test("a wide ceiling of the context is for landing, not for asking", async () => {
  await world.grant("agent", "memory:*:**");
  const run: Run = async (_params, { memory }) => [
    await codeOf(memory.set("a", 1)),
    await codeOf(memory.set("b", 1)),
  ];
  expect(await step("memory:write:a", run, { ceiling: "memory:write:**" })).toMatchObject({
    output: ["performed", "outside_authority"],
  });
});

describe("where it lands (A4, K except)", () => {
  beforeEach(() => {
    writeFileSync(join(world.folder, "inside"), "inside");
    writeFileSync(join(world.folder, "other"), "other");
    symlinkSync(join(world.folder, "other"), join(world.folder, "link"));
  });
  const readLink: Run = (_params, { fs }) => codeOf(fs.read(join(world.folder, "link")));

  test("a link that leads elsewhere is refused by the step's own ceiling", async () => {
    await world.grant("agent", `fs:read:${world.folder}/**`);
    expect(await step(`fs:read:${world.folder}/link`, readLink)).toMatchObject({
      output: "outside_authority",
    });
  });

  test("a wider capability of the context lets it land, a narrower scope does not", async () => {
    await world.grant("agent", `fs:read:${world.folder}/**`);
    const requires = `fs:read:${world.folder}/link`;
    const ceiling = `fs:read:${world.folder}/**`;
    expect(await step(requires, readLink, { ceiling })).toMatchObject({ output: "performed" });
    const scope = `${world.folder}/link`;
    expect(await step(requires, readLink, { ceiling, scope })).toMatchObject({ output: "outside_authority" });
  });

  test("outside the binding, or inside an exception, it does not", async () => {
    const requires = `fs:read:${world.folder}/link`;
    const ceiling = `fs:read:${world.folder}/**`;
    const narrow = await world.grant("agent", requires);
    expect(await step(requires, readLink, { ceiling })).toMatchObject({ output: "outside_authority" });
    await world.pipeline.bindingManager.unbind(narrow.bindingId);
    await world.grant("agent", ceiling, { constraints: { except: [`${world.folder}/other`] } });
    expect(await step(requires, readLink, { ceiling })).toMatchObject({ output: "outside_authority" });
  });
});

describe("several requirements (A5)", () => {
  test("all or nothing: each needs a binding of its own", async () => {
    let runs = 0;
    const both = ["memory:read:a", "memory:write:b"];
    await world.grant("agent", "memory:read:a", { constraints: { max_uses: 1 } });
    expect(await step(both, () => ++runs)).toMatchObject({ status: "denied", reason: "no_capability" });
    expect(runs).toBe(0);
    const { bindingId } = await world.grant("agent", "memory:write:b");
    // Nothing was charged for what was denied.
    const result = await step(both, () => ++runs);
    expect(result).toMatchObject({ status: "completed" });
    if (result.status !== "completed") return;
    expect(result.bindingIds).toHaveLength(2);
    expect(result.bindingIds[0]).toBe(result.bindingId);
    expect(result.bindingIds[1]).toBe(bindingId);
    expect(await step(both, () => ++runs)).toMatchObject({ status: "denied", reason: "uses_exhausted" });
    const authorized = world.committed().find(({ event }) => event === "step_execution_authorized");
    expect(authorized).toMatchObject({ binding_id: result.bindingId, binding_ids: result.bindingIds });
  });

  test("one binding that serves two requirements is charged once", async () => {
    await world.grant("agent", "memory:*:**", { constraints: { max_uses: 2 } });
    const both = ["memory:read:a", "memory:write:b"];
    for (const status of ["completed", "completed", "denied"]) {
      expect(await step(both, () => 1)).toMatchObject({ status });
    }
  });

  test("the context bounds the first; the others bound themselves", async () => {
    await world.grant("agent", "memory:*:**");
    const both = ["memory:read:a", "memory:write:b"];
    const result = await step(both, async (_params, { memory }) => [
      await codeOf(memory.get("a")),
      await codeOf(memory.set("b", 1)),
      await codeOf(memory.set("a", 1)),
    ]);
    expect(result).toMatchObject({ output: ["performed", "performed", "outside_authority"] });
  });

  test("exceptions and limits of every link of every chain count", async () => {
    await world.grant("agent", "memory:read:a");
    await world.grant("agent", "memory:write:**", { constraints: { max_effects: 1 } });
    const result = await step(["memory:read:a", "memory:write:b"], async (_params, { memory }) => [
      await codeOf(memory.get("a")),
      await codeOf(memory.set("b", 1)),
    ]);
    expect(result).toMatchObject({ output: ["performed", "too_many_effects"] });
  });
});

describe("limits", () => {
  test("max_effects: the next use is refused and recorded; 0 allows none", async () => {
    const { bindingId } = await world.grant("agent", "memory:write:**", { constraints: { max_effects: 2 } });
    const run: Run = async (_params, { memory }) => [
      await codeOf(memory.set("a", 1)),
      await codeOf(memory.set("a", 2)),
      await codeOf(memory.set("a", 3)),
    ];
    expect(await step("memory:write:a", run)).toMatchObject({
      output: ["performed", "performed", "too_many_effects"],
    });
    await world.pipeline.bindingManager.unbind(bindingId);
    await world.grant("agent", "memory:write:**", { constraints: { max_effects: 0 } });
    expect(await step("memory:write:a", run)).toMatchObject({
      output: ["too_many_effects", "too_many_effects", "too_many_effects"],
    });
  });

  test("max_output_bytes counts bytes of the canonical form, and bounds what an effect reads", async () => {
    await world.grant("agent", "job:run:a", { constraints: { max_output_bytes: 10 } });
    expect(await step("job:run:a", () => "12345678")).toMatchObject({ status: "completed" });
    expect(await step("job:run:a", () => "123456789")).toMatchObject({
      status: "failed",
      error: { code: "output_too_large" },
    });
    expect(await step("job:run:a", () => "éééé")).toMatchObject({ status: "completed" });
    expect(await step("job:run:a", () => "ééééé")).toMatchObject({ error: { code: "output_too_large" } });
    const path = join(world.folder, "large");
    writeFileSync(path, "x".repeat(100));
    await world.grant("agent", `fs:read:${path}`, { constraints: { max_output_bytes: 50 } });
    const reads = await step(`fs:read:${path}`, (_params, { fs }) => codeOf(fs.read(path)));
    expect(reads).toMatchObject({ output: "too_large" });
  });

  test("the pipeline's own limits hold where no constraint is narrower", async () => {
    await world.close();
    world = await openWorld({ limits: { outputBytesMax: 20, effectsMax: 1 } });
    await world.grant("agent", "memory:write:**", {
      constraints: { max_effects: 5, max_output_bytes: 1_000 },
    });
    const run: Run = async (_params, { memory }) => [
      await codeOf(memory.set("a", 1)),
      await codeOf(memory.set("a", 1)),
    ];
    expect(await step("memory:write:a", run)).toMatchObject({ error: { code: "output_too_large" } });
    expect(effects().filter((line) => line.startsWith("denied"))).toHaveLength(1);
    await world.close();
    world = await openWorld({ limits: { deadlineMs: 30 } });
    await world.grant("agent", "memory:write:**");
    const idle: Run = (_params, _handles, { signal }) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve(1)));
    expect(await step("memory:write:a", idle)).toMatchObject({ error: { code: "deadline_exceeded" } });
  });
});

describe("records", () => {
  test("an answer that is the step's output as it stands is kept once, with the use that got it", async () => {
    await world.grant("agent", "memory:*:**");
    const found = { deep: ["kept once ", "x".repeat(200)] };
    await step("memory:write:a", (_params, { memory }) => memory.set("a", found));
    const passed = await step("memory:read:a", (_params, { memory }) => memory.get("a"));
    expect(passed).toMatchObject({ status: "completed", output: { value: found } });
    await step("memory:read:a", async (_params, { memory }) => ({ again: await memory.get("a") }));
    const events = world.committed();
    const answer = events.find(
      ({ effect, event }) => event === "effect_performed" && effect === "memory.get",
    );
    const [, passedOn, changed] = events.filter(({ event }) => event === "step_execution_completed");
    expect(passedOn).toMatchObject({
      output_commitment: answer?.["answer_commitment"],
      output_seq: answer?.seq,
    });
    expect(changed).not.toHaveProperty("output_seq");
    const kept = new Database(world.database, { readonly: true });
    const bytes = kept
      .prepare("SELECT count(*) FROM blobs WHERE instr(bytes, 'kept once') > 0")
      .pluck()
      .get();
    kept.close();
    // What was set, the answer that was passed on, and the second answer with the output that holds it.
    expect(bytes).toBe(4);
  });

  test("intent before anything is touched, outcome after it, both of one number", async () => {
    await world.grant("agent", `fs:*:${world.folder}/**`);
    const path = join(world.folder, "a");
    const result = await world.pipeline.executor.executeStep(
      world.context({
        action: builtinActions.fs.write,
        requiredCapability: `fs:write:${path}`,
        actionParams: { path, content: "x" },
      }),
    );
    expect(result).toMatchObject({ status: "completed", output: { bytes_written: 1 } });
    expect(readFileSync(path, "utf8")).toBe("x");
    const [requested, authorized, attempted, performed, completed] = world.committed().slice(2);
    expect(attempted).toMatchObject({ event: "effect_attempted", effect: "fs.write", n: 1 });
    expect(performed).toMatchObject({ event: "effect_performed", n: 1, result: "success" });
    expect(completed).toMatchObject({ event: "step_execution_completed", effects: 1 });
    for (const event of [authorized, attempted, performed, completed]) {
      expect(event).toMatchObject({ request_id: requested?.id });
    }
  });

  test("an effect that fails is recorded with its code, and its failure is the action's to handle", async () => {
    await world.grant("agent", `fs:read:${world.folder}/**`);
    const path = join(world.folder, "missing");
    const result = await step(`fs:read:${path}`, (_params, { fs }) => fs.read(path));
    expect(result).toMatchObject({ status: "failed", error: { code: "not_found" } });
    expect(world.committed().find(({ event }) => event === "effect_performed")).toMatchObject({
      result: "failure",
      code: "not_found",
    });
  });

  test("an effect that cannot be recorded makes the outcome unknown, and is the last one", async () => {
    await world.grant("agent", "memory:*:**");
    let codes: string[] = [];
    const result = await step("memory:write:a", async (_params, { memory }) => {
      await memory.set("a", 1);
      rmSync(join(world.database, ".."), { recursive: true });
      await memory.set("a", 2).catch(() => undefined);
      codes = [await codeOf(memory.set("a", 3)), await codeOf(memory.set("a", 4))];
      return "done";
    });
    expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(result).not.toHaveProperty("output");
    expect(codes).toEqual(["audit_unavailable", "audit_unavailable"]);
  });

  test("after an outcome could not be recorded no further use is made", async () => {
    await world.grant("agent", "memory:*:**");
    const connection = new Database(world.database);
    connection.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON events
       WHEN json_extract(new.doc, '$.event') = 'effect_performed' BEGIN SELECT RAISE(ABORT, 'no'); END`,
    );
    let code = "";
    const result = await step("memory:write:a", async (_params, { memory }, { signal }) => {
      const stopped = new Promise((resolve) => signal.addEventListener("abort", resolve));
      await memory.set("a", 1).catch(() => undefined);
      await stopped;
      // The log works again, but what this step did before is not in it.
      connection.exec("DROP TRIGGER refuse");
      code = await codeOf(memory.set("a", 2));
    });
    connection.close();
    expect(code).toBe("audit_unavailable");
    expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
  });
});

describe("a handle of another maker, at the same gate", () => {
  /** Runs a step whose one handle is what the test does with the gate. */
  async function withGate(use: (gate: EffectGate) => Promise<unknown>): Promise<ExecutionResult> {
    await world.grant("agent", "memory:write:**");
    const { audit, capabilityManager, workingFolder } = world.pipeline;
    const handles = (gate: EffectGate) => ({ use: () => use(gate) }) as unknown as Handles;
    const runtimeGuard = new RuntimeGuard({ audit, handles, workingFolder });
    const executor = new SecureWorkflowExecutor({ runtimeGuard, capabilityManager, audit });
    const action = defineAction({
      name: "test.step",
      requires: () => "memory:write:a",
      run: (_params, given) => (given as unknown as { use: () => Promise<unknown> }).use(),
    });
    return executor.executeStep(world.context({ action, requiredCapability: "memory:write:a" }));
  }
  const use = { kind: "test.use", capabilities: ["memory:write:a"], request: {} };

  test("an answer that arrives after the authority ended is not given out", async () => {
    const inside = gate();
    const hold = gate();
    let code = "";
    const running = withGate(async (effects) => {
      const answer = effects.perform(use, async () => {
        inside.open();
        await hold.promise;
        return { secret: 1 };
      });
      code = await codeOf(answer);
    });
    await inside.promise;
    const [binding] = await world.pipeline.bindingManager.getBindings("agent");
    await world.pipeline.bindingManager.unbind(binding?.id ?? "");
    hold.open();
    expect(await running).toMatchObject({ status: "failed", error: { code: "revoked_while_running" } });
    expect(code).toBe("revoked_while_running");
    expect(effects()).toEqual(["attempted memory:write:a", "denied memory:write:a"]);
  });

  test("an effect that no event can hold makes the outcome unknown, in the same transaction too", async () => {
    const result = await withGate((effects) =>
      effects.perform({ ...use, kind: "test.\ud800" }, () => Promise.resolve({})),
    );
    expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(world.committed().map(({ event }) => event)).not.toContain("step_execution_completed");
  });

  test("a use that names no capability, or one that is none, is refused", async () => {
    const perform = (capabilities: string[]) =>
      withGate((effects) => codeOf(effects.perform({ ...use, capabilities }, () => Promise.resolve({}))));
    expect(await perform([])).toMatchObject({ output: "outside_authority" });
    expect(await perform(["memory:write:a", "memory:write:b"])).toMatchObject({
      output: "outside_authority",
    });
    expect(await perform(["nonsense"])).toMatchObject({ output: "invalid_capability" });
  });

  test("what the body may ask about: where it lands, what the chain covers, what the agent holds", async () => {
    await world.grant("agent", "job:run:**");
    let answers: unknown[] = [];
    await withGate((effects) =>
      effects.perform(use, (grant) => {
        const landing = (text: string) => {
          try {
            grant.reached(text);
            return "reached";
          } catch (error) {
            return (error as { code: string }).code;
          }
        };
        answers = [
          landing("memory:write:a"),
          landing("memory:write:b"),
          grant.withinBinding("memory:write:b"),
          grant.withinBinding("memory:read:b"),
          grant.agentHolds("job:run:x"),
          grant.agentHolds("job:stop:x"),
          grant.allowPrivate,
          grant.bytesMax,
        ];
        return Promise.resolve({});
      }),
    );
    expect(answers).toEqual(["reached", "outside_authority", true, false, true, false, [], 16 * 1024 * 1024]);
  });
});
