/**
 * Makes a large log through the real pipeline: `tsx bench/make-log.ts DATABASE [STEPS]`, default 200,000 steps,
 * five events each (requested, authorized, a use of a handle attempted and performed, completed). Every tenth agent
 * lacks authority, so that its steps are denied. Prints what it made and how long that took.
 */
import { createPipeline, type Pipeline, SecureExecutionContext } from "../src/index.js";

const agents = 100;
const inFlight = 512;

async function grant(pipeline: Pipeline): Promise<void> {
  await pipeline.capabilityManager.issue({ capability: "memory:write:**", issuedBy: "bench" });
  for (let n = 0; n < agents; n++) {
    if (n % 10 === 9) continue;
    const request = { agentId: `a${n}`, capability: `memory:write:k${n}/**`, createdBy: "bench" };
    await pipeline.bindingManager.bind(request);
  }
}

function step(pipeline: Pipeline, n: number) {
  const agent = n % agents;
  return pipeline.executor.executeStep(
    new SecureExecutionContext({
      workflowId: "bench",
      stepId: `s${n}`,
      agentId: `a${agent}`,
      requiredCapability: `memory:write:k${agent}/v`,
      auditReference: "bench",
      traceId: `t${n}`,
      action: pipeline.actions.get("memory.set") as never,
      actionParams: { key: `k${agent}/v`, value: n },
    }),
  );
}

async function makeLog(database: string, steps: number): Promise<void> {
  const start = performance.now();
  const pipeline = await createPipeline({ database });
  await grant(pipeline);
  const outcomes = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < steps) {
      const { status } = await step(pipeline, next++);
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  await pipeline.close();
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(outcomes))} in ${seconds} s\n`);
}

const [database, steps = "200000"] = process.argv.slice(2);
if (database === undefined) throw new TypeError("usage: tsx bench/make-log.ts DATABASE [STEPS]");
await makeLog(database, Number(steps));
