import { createPipeline, defineAction } from "../../src/index.js";
import { eraseBlob } from "../../src/audit/erase.js";
import { ledgerOf } from "../../src/core/audit.js";
import { parseWorkflow } from "../../src/workflow/definition.js";
import { runWorkflow } from "../../src/workflow/run.js";

/** Events of types that a run alone does not leave: a cancelled run, erased bytes. */
export async function fillJournal(database: string, workingFolder: string): Promise<void> {
  const waits = defineAction({
    name: "test.wait",
    requires: () => "job:run:wait",
    run: (_params, _handles, env) =>
      new Promise((resolve) => env.signal.addEventListener("abort", () => resolve(null), { once: true })),
  });
  const pipeline = await createPipeline({ database, workingFolder, actions: [waits] });
  try {
    await pipeline.capabilityManager.issue({ capability: "job:run:wait", issuedBy: "ops" });
    await pipeline.bindingManager.bind({ agentId: "waiter", capability: "job:run:wait", createdBy: "ops" });
    const definition = parseWorkflow(
      JSON.stringify({ name: "wait", steps: [{ id: "wait", agent: "waiter", action: "test.wait" }] }),
      "wait.yaml",
    );
    const cancel = new AbortController();
    pipeline.audit.onEvent(({ event }) => {
      if (event === "step_execution_authorized") cancel.abort();
    });
    const { run_id: runId } = await runWorkflow({ pipeline, definition, inputs: {}, signal: cancel.signal });
    const [requested] = await pipeline.audit.getEvents({ event: "step_execution_requested", runId });
    const ref = requested?.["params_commitment"];
    if (typeof ref !== "string") throw new TypeError("the cancelled run asked for nothing");
    await eraseBlob(ledgerOf(pipeline.audit), ref, { by: "dpo", why: "request 17" });
  } finally {
    await pipeline.close();
  }
}
