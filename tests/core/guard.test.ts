import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  defineAction,
  type GuardRequest,
  InvalidContextError,
  RuntimeGuard,
  SecureWorkflowExecutor,
} from "../../src/index.js";
import { gate, job, openWorld, stepEvents, type World } from "./world.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const names = () =>
  world
    .committed()
    .map(({ event }) => event)
    .filter((event) => !/^(capability_created|binding_created)$/.test(event));

describe("the guard on its own (specification RuntimeGuard, E2)", () => {
  const guarding = (fields: Partial<GuardRequest> = {}) => {
    const { runtimeGuard, capabilityManager, audit } = world.pipeline;
    return runtimeGuard.guard({
      action: job(),
      capabilities: ["job:run:a"],
      agentId: "agent",
      capabilityManager,
      audit,
      ...fields,
    });
  };
  const both = defineAction({
    name: "both.run",
    requires: () => ["job:run:a", "job:run:b"],
    run: () => "both",
  });

  test("needs a binding as everybody does, and records the denial", async () => {
    expect(await guarding()).toMatchObject({ allowed: false, status: "denied", reason: "no_capability" });
    expect(names()).toEqual(["capability_denied"]);
  });

  test("records a check before and an execution after, under one request", async () => {
    await world.grant("agent", "job:run:a", { constraints: { max_uses: 1 } });
    let seen: string[] = [];
    const result = await guarding({ action: job(() => void (seen = names())) });
    expect(result).toMatchObject({ allowed: true, status: "completed" });
    expect(Object.isFrozen(result)).toBe(true);
    expect(seen).toEqual(["capability_checked"]);
    expect(names()).toEqual(["capability_checked", "capability_executed"]);
    const [checked, executed] = world.committed().slice(2);
    expect(executed).toMatchObject({ request_id: checked?.["request_id"], result: "success" });
    // It was charged like a step.
    expect(await guarding()).toMatchObject({ allowed: false, reason: "uses_exhausted" });
  });

  test("one capability bounds the first requirement; several bound them all", async () => {
    await world.grant("agent", "job:run:**");
    expect(await guarding({ action: both })).toMatchObject({ status: "completed" });
    expect(await guarding({ action: both, capabilities: ["job:run:b"] })).toMatchObject({
      reason: "capability_mismatch",
    });
    expect(await guarding({ action: both, capabilities: ["job:run:a", "job:run:b"] })).toMatchObject({
      status: "completed",
    });
    expect(await guarding({ action: both, capabilities: ["job:run:a", "job:run:c"] })).toMatchObject({
      reason: "capability_mismatch",
    });
    expect(await guarding({ action: both, capabilities: ["job:run:a", "nonsense"] })).toMatchObject({
      reason: "invalid_capability",
    });
    expect(await guarding({ action: both, capabilityScope: "c" })).toMatchObject({
      reason: "capability_mismatch",
    });
  });

  test("malformed calls are the caller's mistake", async () => {
    await expect(guarding({ capabilities: [] })).rejects.toThrow(InvalidContextError);
    await expect(guarding({ agentId: "a b" })).rejects.toMatchObject({
      code: "invalid_context",
      field: "agentId",
    });
    await expect(guarding({ action: {} as never })).rejects.toMatchObject({
      code: "invalid_context",
      field: "action",
    });
    await expect(guarding({ deadlineMs: Number.NaN })).rejects.toThrow(TypeError);
    expect(names()).toEqual([]);
  });

  test("a revocation stops what it runs", async () => {
    const { bindingId } = await world.grant("agent", "job:run:a");
    const entered = gate();
    const running = guarding({
      action: job((_params, _handles, env) => {
        entered.open();
        return new Promise((resolve) => env.signal.addEventListener("abort", () => resolve("late")));
      }),
    });
    await entered.promise;
    await world.pipeline.bindingManager.unbind(bindingId);
    expect(await running).toMatchObject({
      allowed: true,
      status: "failed",
      error: { code: "revoked_while_running" },
    });
    expect(names()).toEqual(["capability_checked", "binding_revoked", "capability_executed"]);
  });

  test("a factory of handles that fails is a failed step with a record", async () => {
    await world.grant("agent", "job:run:a");
    const { audit, capabilityManager, workingFolder } = world.pipeline;
    const handles = () => {
      throw new Error("no handles today");
    };
    const runtimeGuard = new RuntimeGuard({ audit, handles, workingFolder });
    const executor = new SecureWorkflowExecutor({ runtimeGuard, capabilityManager, audit });
    expect(await executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "failed",
      error: { code: "action_failed", message: "no handles today" },
    });
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized", "completed"]);
  });
});

describe("PermissionEnforcer (E2)", () => {
  const enforce = (request: object) => world.pipeline.permissionEnforcer.enforce(request as never);

  test("answers, records, and charges nothing", async () => {
    const { bindingId } = await world.grant("agent", "job:run:**", { constraints: { max_uses: 1 } });
    for (let n = 0; n < 3; n++) {
      const answer = await enforce({ agentId: "agent", capability: "job:run:a" });
      expect(answer).toMatchObject({ allowed: true, bindingId, reason: undefined });
      expect(Object.isFrozen(answer)).toBe(true);
    }
    expect(names()).toEqual(["capability_checked", "capability_checked", "capability_checked"]);
    expect(await world.pipeline.executor.executeStep(world.context({ action: job() }))).toMatchObject({
      status: "completed",
    });
    expect(await enforce({ agentId: "agent", capability: "job:run:a" })).toMatchObject({
      allowed: false,
      reason: "uses_exhausted",
    });
  });

  test("constraints see the parameters and the step that are asked about", async () => {
    await world.grant("agent", "job:run:**", { constraints: { when: 'params.n < 3 && workflow == "wf"' } });
    const ask = (n: number, workflowId: string) =>
      enforce({ agentId: "agent", capability: "job:run:a", params: { n }, workflowId });
    expect(await ask(2, "wf")).toMatchObject({ allowed: true });
    expect(await ask(3, "wf")).toMatchObject({ allowed: false, reason: "constraint_violated" });
    expect(await ask(2, "other")).toMatchObject({ allowed: false, reason: "constraint_violated" });
    expect(await enforce({ agentId: "agent", capability: "job:run:a", workflowId: "wf" })).toMatchObject({
      reason: "policy_error",
    });
  });

  test("a scope narrows the question", async () => {
    await world.grant("agent", "job:run:a");
    expect(await enforce({ agentId: "agent", capability: "job:run:**", scope: "a" })).toMatchObject({
      allowed: true,
    });
    expect(await enforce({ agentId: "agent", capability: "job:run:**" })).toMatchObject({ allowed: false });
    expect(await enforce({ agentId: "agent", capability: "job:run:a", scope: "b" })).toMatchObject({
      allowed: false,
      reason: "capability_mismatch",
    });
  });

  test.each<[string, object, string]>([
    ["no agent", { capability: "job:run:a" }, "invalid_context"],
    ["an agent that is none", { agentId: "a b", capability: "job:run:a" }, "invalid_context"],
    ["no capability", { agentId: "agent" }, "invalid_capability"],
    ["every action", { agentId: "agent", capability: "job:*:a" }, "invalid_capability"],
    [
      "a capability that is an object",
      { agentId: "agent", capability: { toString: () => "job:run:a" } },
      "invalid_capability",
    ],
    [
      "half a character at the cut",
      { agentId: "agent", capability: `${"x".repeat(1_023)}😀` },
      "invalid_capability",
    ],
    ["a lone surrogate", { agentId: "agent", capability: "job:run:\ud800" }, "invalid_capability"],
    [
      "parameters that are no data",
      { agentId: "agent", capability: "job:run:a", params: { f: () => 1 } },
      "invalid_context",
    ],
    [
      "a key that cannot be logged",
      { agentId: "agent", capability: "job:run:a", params: { "\ud800": 1 } },
      "invalid_context",
    ],
    [
      "parameters that are a list",
      { agentId: "agent", capability: "job:run:a", params: [] },
      "invalid_context",
    ],
  ])("%s is a recorded denial", async (_name, request, reason) => {
    await world.grant("agent", "job:*:**");
    expect(await enforce(request)).toMatchObject({ allowed: false, reason });
    expect(names()).toEqual(["capability_denied"]);
    expect(world.committed().at(-1)).toMatchObject({ reason });
  });

  test("a question that answers differently each time is read once", async () => {
    await world.grant("agent", "job:run:a");
    const reads: string[] = [];
    const request = {
      get agentId() {
        reads.push("agentId");
        return reads.filter((read) => read === "agentId").length === 1 ? "agent" : "somebody-else";
      },
      get capability() {
        reads.push("capability");
        return reads.filter((read) => read === "capability").length === 1 ? "job:run:a" : "job:run:z";
      },
    };
    expect(await enforce(request)).toMatchObject({ allowed: true });
    expect(reads.sort()).toEqual(["agentId", "capability"]);
    expect(world.committed().at(-1)).toMatchObject({ agent_id: "agent", capability: "job:run:a" });
  });
});

describe("a facet for one agent (A6)", () => {
  test("executes and asks in its agent's name, and tells nothing of the policy", async () => {
    const facet = world.pipeline.forAgent("agent");
    const context = world.context({ action: job() });
    const denied = await facet.executeStep(context);
    expect(denied).toMatchObject({
      status: "denied",
      reason: "no_capability",
      explanation: "this step is not permitted (no_capability)",
    });
    const { bindingId, contractId } = await world.grant("agent", "job:run:a", {
      constraints: { when: "false" },
    });
    const refused = await facet.executeStep(context);
    expect(refused).toMatchObject({ reason: "constraint_violated" });
    for (const secret of [bindingId, contractId, "when", "false"]) {
      expect(JSON.stringify(refused)).not.toContain(secret);
    }
    expect(await facet.may({ capability: "job:run:a" })).toEqual({ allowed: false });
    await world.grant("agent", "job:run:a");
    expect(await facet.may({ capability: "job:run:a" })).toEqual({ allowed: true });
    expect(await facet.executeStep(context)).toMatchObject({ status: "completed" });
    // The operator's log has the whole story.
    const explained = world.committed().find((event) => event["reason"] === "constraint_violated");
    expect(explained?.["explanation"]).toContain(bindingId);
  });

  test("what stopped a step is told without the policy as well", async () => {
    const { bindingId } = await world.grant("agent", "job:run:a");
    const entered = gate();
    const action = job((_params, _handles, env) => {
      entered.open();
      return new Promise((resolve) => env.signal.addEventListener("abort", () => resolve(1)));
    });
    const running = world.pipeline.forAgent("agent").executeStep(world.context({ action }));
    await entered.promise;
    await world.pipeline.bindingManager.unbind(bindingId);
    expect(await running).toMatchObject({
      status: "failed",
      error: { code: "revoked_while_running", message: "this step was stopped (revoked_while_running)" },
    });
  });

  test("another agent's context is a TypeError; a look-alike is recorded under this agent's name", async () => {
    await world.grant("victim", "job:run:a");
    const facet = world.pipeline.forAgent("agent");
    const foreign = world.context({ action: job(), agentId: "victim" });
    await expect(facet.executeStep(foreign)).rejects.toThrow(TypeError);
    expect(stepEvents(world.committed())).toEqual([]);
    // It says `agent` to whoever reads it, and `victim` to whoever looks at its descriptors.
    const twoFaced = new Proxy(
      { agentId: "victim", workflowId: "wf", stepId: "step" },
      { get: (target, key) => (key === "agentId" ? "agent" : (Reflect.get(target, key) as unknown)) },
    );
    for (const forged of [twoFaced, { ...foreign }, new Proxy(foreign, {}), undefined]) {
      expect(await facet.executeStep(forged as never)).toMatchObject({
        status: "denied",
        reason: "invalid_context",
        agentId: "agent",
      });
    }
    expect(
      new Set(
        world
          .committed()
          .slice(2)
          .map((event) => event["agent_id"]),
      ),
    ).toEqual(new Set(["agent"]));
  });

  test("asking in another agent's name asks in one's own", async () => {
    await world.grant("victim", "job:run:a");
    const facet = world.pipeline.forAgent("agent");
    expect(await facet.may({ capability: "job:run:a", agentId: "victim" } as never)).toEqual({
      allowed: false,
    });
    expect(world.committed().at(-1)).toMatchObject({ event: "capability_denied", agent_id: "agent" });
  });

  test("neither run ids nor attempts can be made up through it", async () => {
    const facet = world.pipeline.forAgent("agent");
    await facet.executeStep(world.context({ action: job() }), { runId: "run_forged", attempt: 9 } as never);
    expect(world.committed().at(-1)).toMatchObject({ run_id: null, attempt: 1 });
  });

  test("it holds nothing else, and names an agent that can be", () => {
    const facet = world.pipeline.forAgent("agent");
    expect(Object.keys(facet).sort()).toEqual(["agentId", "executeStep", "may"]);
    expect(Object.isFrozen(facet)).toBe(true);
    for (const id of ["", "a b", "*", undefined])
      expect(() => world.pipeline.forAgent(id as string)).toThrow(TypeError);
  });
});
