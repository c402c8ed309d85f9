import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AuditEvent, builtinActions, createPipeline, type ExecutionResult } from "../../src/index.js";
import { job, openWorld, type World } from "./world.js";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const agentCount = 100;
const stepsPerAgent = 10;
const usesMax = 4;

/** Deterministic numbers in [0, 1): which steps race which revocations is the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    yield state / 2 ** 32;
  }
}

test("a thousand steps of a hundred agents amid binding and unbinding keep every promise of the log", async () => {
  const { bindingManager, capabilityManager, executor } = world.pipeline;
  const random = numbers(1);
  const contract = await capabilityManager.issue({ capability: "job:run:**", issuedBy: "operator" });
  const agents = Array.from({ length: agentCount }, (_, index) => `agent-${index}`);
  const bind = (agentId: string) =>
    bindingManager.bind({
      agentId,
      capability: "job:run:a",
      createdBy: "operator",
      contractId: contract.id,
      constraints: { max_uses: usesMax },
    });
  await Promise.all(agents.map(bind));
  const action = job(async (params) => {
    for (let n = 0; n < (params["turns"] as number); n++) await turn();
    return params["turns"];
  });

  const churn = async (agentId: string): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      for (let wait = random.next().value * 6; wait > 0; wait--) await turn();
      const [binding] = await bindingManager.getBindings(agentId);
      if (binding !== undefined && random.next().value < 0.7) await bindingManager.unbind(binding.id);
      if (random.next().value < 0.7) await bind(agentId);
    }
  };
  const steps = async (agentId: string, step: number): Promise<ExecutionResult> => {
    for (let wait = random.next().value * 10; wait > 0; wait--) await turn();
    const actionParams = { turns: Math.floor(random.next().value * 8) };
    return executor.executeStep(world.context({ agentId, stepId: `step-${step}`, action, actionParams }));
  };
  const [results] = await Promise.all([
    Promise.all(
      agents.flatMap((agentId) => Array.from({ length: stepsPerAgent }, (_, step) => steps(agentId, step))),
    ),
    Promise.all(agents.map(churn)),
    // Two contracts' worth of authority ends in the middle of it.
    (async () => {
      for (let wait = 0; wait < 8; wait++) await turn();
      for (const agentId of agents.slice(0, 5)) await capabilityManager.suspend(agentId, { by: "operator" });
    })(),
  ]);

  const events = world.committed();
  checkPromises(events);
  const count = (name: string) => events.filter(({ event }) => event === name).length;
  expect(count("step_execution_requested")).toBe(agentCount * stepsPerAgent);
  // The dust was worth raising: all of it happened.
  const statuses = new Set(results.map(({ status }) => status));
  expect(statuses).toEqual(new Set(["completed", "denied", "failed"]));
  expect(count("binding_revoked")).toBeGreaterThan(50);
  expect(results.filter(({ status }) => status === "completed").length).toBeGreaterThan(100);
  const delivered = events.filter(
    ({ event, result }) => event === "step_execution_completed" && result === "success",
  );
  expect(delivered).toHaveLength(results.filter(({ status }) => status === "completed").length);
}, 60_000);

/** Reads the log once, front to back, with a loop that knows nothing of how it was written. */
function checkPromises(events: readonly AuditEvent[]): void {
  const revoked = new Set<unknown>();
  const suspended = new Set<unknown>();
  const uses = new Map<unknown, number>();
  const agentOf = new Map<unknown, unknown>();
  const requests = new Map<unknown, "requested" | "authorized" | "denied" | "completed">();
  const move = (id: unknown, from: string, to: "authorized" | "denied" | "completed") => {
    expect(`${String(requests.get(id))} to ${to}`).toBe(`${from} to ${to}`);
    requests.set(id, to);
  };
  for (const [index, event] of events.entries()) {
    expect(event.seq).toBe(index + 1);
    switch (event.event) {
      case "binding_created":
        agentOf.set(event["binding_id"], event["agent_id"]);
        break;
      case "binding_revoked":
        expect(revoked.has(event["binding_id"])).toBe(false);
        revoked.add(event["binding_id"]);
        break;
      case "agent_suspended":
        suspended.add(event["agent_id"]);
        break;
      case "step_execution_requested":
        requests.set(event.id, "requested");
        break;
      case "step_execution_denied":
        move(event["request_id"], "requested", "denied");
        break;
      case "step_execution_authorized": {
        move(event["request_id"], "requested", "authorized");
        const binding = event["binding_id"];
        expect(revoked.has(binding)).toBe(false);
        expect(suspended.has(event["agent_id"])).toBe(false);
        expect(agentOf.get(binding)).toBe(event["agent_id"]);
        uses.set(binding, (uses.get(binding) ?? 0) + 1);
        expect(uses.get(binding)).toBeLessThanOrEqual(usesMax);
        break;
      }
      case "step_execution_completed":
        move(event["request_id"], "authorized", "completed");
        // What was given out was given out on living authority.
        if (event["result"] === "success") expect(revoked.has(event["binding_id"])).toBe(false);
        break;
    }
  }
  const open = [...requests.values()].filter((state) => state === "requested" || state === "authorized");
  expect(open).toEqual([]);
}

test("two pipelines on one file never grant more uses than there are", async () => {
  await world.grant("agent", "job:run:a", { constraints: { max_uses: 25 } });
  const other = await createPipeline({ database: world.database });
  const execute = (n: number) =>
    (n % 2 === 0 ? world.pipeline : other).executor.executeStep(world.context({ action: job() }));
  const results = await Promise.all(Array.from({ length: 60 }, (_, n) => execute(n)));
  expect(results.filter(({ status }) => status === "completed")).toHaveLength(25);
  expect(
    results.filter((result) => result.status === "denied" && result.reason === "uses_exhausted"),
  ).toHaveLength(35);
  await other.close();
});

test("a shared contract's counter holds across its bindings", async () => {
  const { capabilityManager, bindingManager, executor } = world.pipeline;
  await capabilityManager.issue({
    capability: "job:run:a",
    issuedBy: "operator",
    constraints: { max_uses: 10 },
  });
  const agents = Array.from({ length: 5 }, (_, index) => `agent-${index}`);
  for (const agentId of agents)
    await bindingManager.bind({ agentId, capability: "job:run:a", createdBy: "operator" });
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      executor.executeStep(world.context({ agentId: agents[n % 5] ?? "", action: job() })),
    ),
  );
  expect(results.filter(({ status }) => status === "completed")).toHaveLength(10);
});

test("steps of one agent that write one file leave one of their contents, whole", async () => {
  const path = `${world.folder}/a.txt`;
  await world.grant("agent", `fs:*:${path}`);
  const write = (content: string) =>
    world.pipeline.executor.executeStep(
      world.context({
        action: builtinActions.fs.write,
        requiredCapability: `fs:write:${path}`,
        actionParams: { path, content },
      }),
    );
  const contents = Array.from({ length: 10 }, (_, n) => String(n).repeat(50_000));
  const results = await Promise.all(contents.map(write));
  expect(results.every(({ status }) => status === "completed")).toBe(true);
  const read = await world.pipeline.executor.executeStep(
    world.context({
      action: builtinActions.fs.read,
      requiredCapability: `fs:read:${path}`,
      actionParams: { path },
    }),
  );
  expect(read.status === "completed" && contents.includes((read.output as { text: string }).text)).toBe(true);
});
