import { createPipeline, type Pipeline, SecureExecutionContext } from "../../src/index.js";

const agents = 100;
const inFlight = 512;

/** What `makeLog` makes: what an auditor must find. */
export interface MadeLog {
  readonly events: number;
}

/**
 * Makes a log of at least so many events through the real pipeline: steps of five events each (requested, authorized,
 * a use of a handle attempted and performed, completed), one in ten denied for want of authority.
 *
 * @throws Error when a step ends otherwise than it must.
 */
export async function makeLog(database: string, events: number): Promise<MadeLog> {
  const pipeline = await createPipeline({ database });
  try {
    await grant(pipeline);
    let made = agents;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (made < events) {
        const n = next++;
        const isDenied = n % 10 === 9;
        made += isDenied ? 2 : 5;
        const { status } = await step(pipeline, n);
        if (status !== (isDenied ? "denied" : "completed")) throw new Error(`step ${n} is ${status}`);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    const [last] = await pipeline.audit.getEvents({ newest: true, limit: 1 });
    return { events: last?.seq ?? 0 };
  } finally {
    await pipeline.close();
  }
}

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
