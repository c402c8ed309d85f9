/** The tests that the specification asks for, by the names it gives them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type AuditEvent,
  builtinActions,
  decide,
  defineAction,
  InvalidContextError,
  type SecureExecutionContext,
} from "../src/index.js";
import { parseWorkflow } from "../src/workflow/definition.js";
import { runWorkflow } from "../src/workflow/run.js";
import { reachable } from "./core/reachable.js";
import { job, openWorld, stepEvents, type World } from "./core/world.js";

let world: World;
let path: string;
beforeEach(async () => {
  world = await openWorld();
  path = join(world.folder, "a.txt");
  writeFileSync(path, "content");
});
afterEach(() => world.close());

/** A step that writes a real file, so that an execution that should not happen leaves a trace. */
function writing(to = join(world.folder, "written.txt"), requiredCapability = `fs:write:${to}`) {
  return world.context({
    action: builtinActions.fs.write,
    requiredCapability,
    actionParams: { path: to, content: "written" },
  });
}

const reading = (seed = 42) =>
  world.context({
    action: builtinActions.fs.read,
    requiredCapability: `fs:read:${path}`,
    actionParams: { path },
    executionSeed: seed,
  });

const execute = (context: SecureExecutionContext) => world.pipeline.executor.executeStep(context);

describe("security", () => {
  it("test_execution_without_capability_denied", async () => {
    // No contract: nothing exists that could be bound.
    expect(await execute(writing())).toMatchObject({ status: "denied", reason: "no_capability" });
    // No required capability: there is not even a context.
    for (const requiredCapability of [undefined, null, "", 7]) {
      const make = () =>
        world.context({ action: builtinActions.fs.write, requiredCapability: requiredCapability as never });
      expect(make).toThrow(InvalidContextError);
    }
    const withoutTrace = () => world.context({ action: builtinActions.fs.read, traceId: "" });
    expect(withoutTrace).toThrow(expect.objectContaining({ code: "invalid_context", field: "traceId" }));
    expect(existsSync(join(world.folder, "written.txt"))).toBe(false);
  });

  it("test_agent_without_binding_denied", async () => {
    // Another agent is bound, and the contract is issued to everyone: neither is this agent's binding.
    await world.grant("somebody-else", `fs:write:${world.folder}/**`);
    expect(await execute(writing())).toMatchObject({ status: "denied", reason: "no_binding_found" });
    expect(existsSync(join(world.folder, "written.txt"))).toBe(false);
    await world.grant("agent", `fs:write:${world.folder}/**`);
    expect(await execute(writing())).toMatchObject({ status: "completed" });
    expect(readFileSync(join(world.folder, "written.txt"), "utf8")).toBe("written");
  });

  it("test_unauthorized_action_denied", async () => {
    await world.grant("agent", `fs:read:${world.folder}/**`);
    // Bound to read: neither writing, nor writing under the name of reading, nor reading elsewhere.
    expect(await execute(writing())).toMatchObject({ status: "denied", reason: "no_capability" });
    const disguised = writing(join(world.folder, "written.txt"), `fs:read:${path}`);
    expect(await execute(disguised)).toMatchObject({ status: "denied", reason: "capability_mismatch" });
    const elsewhere = world.context({
      action: builtinActions.fs.read,
      requiredCapability: "fs:read:/etc/passwd",
      actionParams: { path: "/etc/passwd" },
    });
    expect(await execute(elsewhere)).toMatchObject({ status: "denied", reason: "no_capability" });
    expect(existsSync(join(world.folder, "written.txt"))).toBe(false);
    expect(await execute(reading())).toMatchObject({ status: "completed", output: { text: "content" } });
  });

  it("test_no_bypass_possible", async () => {
    let runs = 0;
    const counted = job(() => ++runs);
    const context = world.context({ action: counted });
    const result = await execute(context);
    expect(result).toMatchObject({ status: "denied" });
    // Everything that a caller holds, and everything that can be reached from it: nowhere the function.
    const held = [context, counted, result, world.pipeline, Object.getOwnPropertyNames(context)];
    for (const value of reachable(held)) {
      if (typeof value !== "function") continue;
      if (/^\s*class\b/.test(Function.prototype.toString.call(value))) continue;
      expect(Function.prototype.toString.call(value)).not.toContain("++runs");
    }
    // What only looks like a context is denied with a record, whatever it claims.
    for (const forged of [{ ...context }, Object.create(context), new Proxy(context, {})]) {
      const answer = await execute(forged as SecureExecutionContext);
      expect(answer).toMatchObject({ status: "denied", reason: "invalid_context" });
    }
    expect(runs).toBe(0);
    await world.grant("agent", "job:run:a");
    expect(await execute(context)).toMatchObject({ status: "completed", output: 1 });
    expect(runs).toBe(1);
  });

  it("test_capability_checked_before_execution", async () => {
    await world.grant("agent", "job:run:a");
    let seen: AuditEvent[] = [];
    // Another connection to the file reads the decision while the action's first line runs.
    const action = job(() => void (seen = world.committed()));
    expect(await execute(world.context({ action }))).toMatchObject({ status: "completed" });
    expect(stepEvents(seen)).toEqual(["requested", "authorized"]);
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized", "completed"]);
  });

  it("test_denial_is_logged", async () => {
    const result = await execute(writing());
    expect(result).toMatchObject({ status: "denied", reason: "no_capability" });
    const [requested, denied, ...rest] = world.committed();
    expect(rest).toEqual([]);
    const common = {
      workflow_id: "wf",
      step_id: "step",
      agent_id: "agent",
      capability: `fs:write:${world.folder}/written.txt`,
      protocol_version: "1.0",
    };
    expect(requested).toMatchObject({ event: "step_execution_requested", ...common });
    expect(denied).toMatchObject({ event: "step_execution_denied", reason: "no_capability", ...common });
    expect(denied?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });
});

describe("determinism", () => {
  it("test_deterministic_execution_same_input_same_output", async () => {
    await world.grant("agent", "job:run:a");
    const action = job((params, _handles, env) => ({
      params,
      draws: [env.random(), env.random(), env.uuid(), env.now(), env.now()],
    }));
    const make = (executionSeed: number) =>
      world.context({ action, executionSeed, actionParams: { b: 1, a: [2] } });
    const first = await execute(make(42));
    const second = await execute(make(42));
    expect(first.status).toBe("completed");
    expect(second).toEqual(first);
    // And the seed matters: the equality above is not that of constants.
    const other = await execute(make(43));
    expect(other.status).toBe("completed");
    expect(other).not.toEqual(first);
  });

  it("test_replay_execution_identical_outcome", async () => {
    await world.grant("agent", `fs:read:${path}`, { constraints: { max_uses: 2 } });
    const recorded = [await execute(reading()), await execute(reading()), await execute(reading())];
    expect(recorded.map(({ status }) => status)).toEqual(["completed", "completed", "denied"]);
    expect(recorded[1]).toEqual(recorded[0]);
    // Deciding again, from nothing but the log as it was at each decision, gives what was decided.
    const events = world.committed();
    const decisions = events.filter(({ event }) => /_(authorized|denied)$/.test(event));
    expect(decisions).toHaveLength(3);
    for (const [index, event] of decisions.entries()) {
      const history = events.slice(0, Number(event["state_seq"]));
      const request = { agentId: "agent", capability: `fs:read:${path}`, params: { path } };
      const again = decide(request, history, Date.parse(event["decided_at"] as string));
      expect(again.allowed).toBe(index < 2);
      expect(again.bindingId ?? again.reason).toBe(event["binding_id"] ?? event["reason"]);
    }
    // The history is the caller's, who may change it and ask again.
    const [made] = events.filter(({ event }) => event === "binding_created");
    Object.assign(made?.["constraints"] as object, { max_uses: 3 });
    // The same requests in another world with the same policy come to the same outcomes.
    const replica = await openWorld({ workingFolder: world.folder });
    try {
      await replica.grant("agent", `fs:read:${path}`, { constraints: { max_uses: 2 } });
      for (const was of recorded) {
        const is = await replica.pipeline.executor.executeStep(reading());
        expect(is.status).toBe(was.status);
        if (was.status === "completed")
          expect(is).toMatchObject({ output: was.output, outputDigest: was.outputDigest });
        else expect(is).toMatchObject({ reason: "uses_exhausted" });
      }
    } finally {
      await replica.close();
    }
  });
});

describe("integration", () => {
  it("test_workflow_step_through_guard", async () => {
    const definition = parseWorkflow(
      `name: copy
steps:
  - id: read
    agent: reader
    action: fs.read
    with: { path: a.txt }
  - id: write
    agent: writer
    action: fs.write
    needs: [read]
    with: { path: b.txt, content: "\${{ steps.read.output.text }}" }
`,
      "copy.yaml",
    );
    const run = () => runWorkflow({ pipeline: world.pipeline, definition, inputs: {} });
    expect(await run()).toMatchObject({
      status: "denied",
      steps: [{ status: "denied" }, { status: "skipped" }],
    });
    await world.grant("reader", `fs:read:${path}`);
    const half = await run();
    expect(half.steps).toMatchObject([
      { status: "completed" },
      { status: "denied", reason: "no_capability" },
    ]);
    expect(existsSync(join(world.folder, "b.txt"))).toBe(false);
    await world.grant("writer", `fs:write:${world.folder}/b.txt`);
    const summary = await run();
    expect(summary).toMatchObject({ status: "completed" });
    expect(readFileSync(join(world.folder, "b.txt"), "utf8")).toBe("content");
    // Every step of every run went through the guard: it has its decision in the log, under the run.
    const own = world.committed().filter((event) => event["run_id"] === summary.run_id);
    expect(stepEvents(own)).toEqual([
      "requested",
      "authorized",
      "completed",
      "requested",
      "authorized",
      "completed",
    ]);
  });

  it("test_audit_events_published", async () => {
    await world.grant("agent", `fs:read:${path}`);
    const heard: AuditEvent[] = [];
    const mute = world.pipeline.audit.onEvent((event) => heard.push(event));
    await execute(reading());
    await execute(writing());
    mute();
    expect(stepEvents(heard)).toEqual(["requested", "authorized", "completed", "requested", "denied"]);
    const members = {
      workflow_id: "wf",
      step_id: "step",
      agent_id: "agent",
      capability: `fs:read:${path}`,
      protocol_version: "1.0",
      audit_reference: "case-1",
      trace_id: "trace-1",
    };
    const [requested, authorized, , , completed] = heard;
    expect(heard.map(({ event }) => event).slice(2, 4)).toEqual(["effect_attempted", "effect_performed"]);
    expect(requested).toMatchObject({ event: "step_execution_requested", ...members });
    expect(authorized).toMatchObject({ event: "step_execution_authorized", ...members });
    expect(authorized?.["binding_id"]).toMatch(/^bind_/);
    expect(completed).toMatchObject({ event: "step_execution_completed", result: "success", ...members });
    expect(completed?.["duration_ms"]).toEqual(expect.any(Number));
    // What was heard is what is in the file, and consecutive.
    expect(world.committed().slice(-heard.length)).toEqual(heard);
    expect(heard.map(({ seq }) => seq)).toEqual(heard.map((_, index) => (requested?.seq ?? 0) + index));
    // Nobody writes these events but their owners.
    await expect(world.pipeline.audit.emitEvent("step_execution_authorized", {})).rejects.toThrow(TypeError);
  });

  it("test_full_execution_pipeline", async () => {
    const { pipeline, folder } = world;
    const contract = await pipeline.capabilityManager.issue({
      capability: `fs:write:${folder}/**`,
      issuedTo: "writer-*",
      issuedBy: "operator",
    });
    const binding = await pipeline.bindingManager.bind({
      agentId: "writer-1",
      capability: `fs:write:${folder}/out/**`,
      createdBy: "operator",
      constraints: { max_uses: 2, except: [`${folder}/out/secret/**`] },
    });
    expect(binding).toMatchObject({ contractId: contract.id, isActive: true, protocolVersion: "1.0" });
    expect(await pipeline.bindingManager.hasBinding("writer-1", `fs:write:${folder}/out/x`)).toBe(true);
    mkdirSync(join(folder, "out"));
    const write = (name: string) => {
      const to = `${folder}/out/${name}`;
      return execute(
        world.context({
          agentId: "writer-1",
          action: builtinActions.fs.write,
          requiredCapability: `fs:write:${to}`,
          actionParams: { path: to, content: name },
        }),
      );
    };
    expect(await write("secret/x")).toMatchObject({ status: "denied", reason: "constraint_violated" });
    expect(await write("one")).toMatchObject({ status: "completed", bindingId: binding.id });
    expect(await write("two")).toMatchObject({ status: "completed" });
    expect(await write("three")).toMatchObject({ status: "denied", reason: "uses_exhausted" });
    expect(await pipeline.bindingManager.unbind(binding.id, { revokedBy: "operator" })).toBe(true);
    expect(await pipeline.bindingManager.unbind(binding.id)).toBe(false);
    expect(await write("four")).toMatchObject({ status: "denied", reason: "binding_revoked" });
    expect(await pipeline.bindingManager.getBindings("writer-1")).toEqual([]);
    expect(
      ["secret", "one", "two", "three", "four"].filter((name) => existsSync(join(folder, "out", name))),
    ).toEqual(["one", "two"]);
    const names = world.committed().map(({ event }) => event);
    expect(names.filter((name) => !name.startsWith("step_") && !name.startsWith("effect_"))).toEqual([
      "capability_created",
      "binding_created",
      "binding_revoked",
    ]);
  });
});

describe("concurrency", () => {
  it("test_parallel_steps_isolation", async () => {
    const agents = Array.from({ length: 20 }, (_, index) => `agent-${index}`);
    for (const agent of agents) {
      mkdirSync(join(world.folder, agent));
      await world.grant(agent, `fs:write:${world.folder}/${agent}/**`);
    }
    // Each writes its own file and tries its neighbour's, all at once.
    const action = defineAction<{ own: string; foreign: string }>({
      name: "test.trespass",
      requires: ({ own }) => `fs:write:${own}`,
      run: async ({ own, foreign }, { fs }, env) => {
        await fs.write(own, env.agentId);
        const refused = await fs.write(foreign, env.agentId).then(
          () => "written",
          (error: unknown) => (error as { code: string }).code,
        );
        return { refused, random: env.random(), agent: env.agentId };
      },
    });
    const results = await Promise.all(
      agents.map((agentId, index) => {
        const neighbour = agents[(index + 1) % agents.length] ?? "";
        const own = `${world.folder}/${agentId}/own.txt`;
        const foreign = `${world.folder}/${neighbour}/stolen.txt`;
        const stepId = `step-${index}`;
        const actionParams = { own, foreign };
        return execute(
          world.context({ agentId, stepId, action, actionParams, requiredCapability: `fs:write:${own}` }),
        );
      }),
    );
    const draws = new Set<unknown>();
    for (const [index, result] of results.entries()) {
      expect(result).toMatchObject({
        status: "completed",
        agentId: agents[index],
        output: { agent: agents[index], refused: "outside_authority" },
      });
      draws.add(result.status === "completed" && (result.output as { random: number }).random);
    }
    expect(draws.size).toBe(agents.length);
    for (const agent of agents) {
      expect(readFileSync(join(world.folder, agent, "own.txt"), "utf8")).toBe(agent);
      expect(existsSync(join(world.folder, agent, "stolen.txt"))).toBe(false);
    }
    const stolen = world.committed().filter(({ event }) => event === "effect_denied");
    expect(stolen).toHaveLength(agents.length);
  });

  it("test_concurrent_binding_operations", async () => {
    const { bindingManager } = world.pipeline;
    await world.pipeline.capabilityManager.issue({ capability: "job:run:**", issuedBy: "operator" });
    const bind = () =>
      bindingManager.bind({ agentId: "agent", capability: "job:run:a", createdBy: "operator" });
    const bindings = await Promise.all(Array.from({ length: 50 }, bind));
    expect(new Set(bindings.map(({ id }) => id)).size).toBe(50);
    expect(await bindingManager.getBindings("agent")).toHaveLength(50);
    // Every binding is revoked by three callers at once, amid steps: exactly one of them did it.
    const context = world.context({ action: job() });
    const [revoked, results] = await Promise.all([
      Promise.all(bindings.map(({ id }) => Promise.all([1, 2, 3].map(() => bindingManager.unbind(id))))),
      Promise.all(Array.from({ length: 50 }, () => execute(context))),
    ]);
    for (const answers of revoked) expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await bindingManager.getBindings("agent")).toEqual([]);
    expect(await execute(context)).toMatchObject({ status: "denied", reason: "binding_revoked" });
    for (const { status } of results) expect(["completed", "failed", "denied"]).toContain(status);
    const events = world.committed();
    const gone = new Set<unknown>();
    for (const event of events) {
      if (event.event === "binding_revoked") gone.add(event["binding_id"]);
      if (event.event === "step_execution_authorized") expect(gone.has(event["binding_id"])).toBe(false);
    }
    expect(gone.size).toBe(50);
    expect(events.filter(({ event }) => event === "binding_revoked")).toHaveLength(50);
  });
});
