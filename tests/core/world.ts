import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import {
  type Action,
  type ActionDefinition,
  type AuditEvent,
  type ContextFields,
  createPipeline,
  defineAction,
  type Pipeline,
  type PipelineOptions,
  SecureExecutionContext,
} from "../../src/index.js";

import { expectSameAgain } from "../replay/replay-database.js";

/** A pipeline on a real database file, beside a folder that its agents may be given. */
export interface World {
  readonly pipeline: Pipeline;
  readonly database: string;
  /** Absolute and real; not the folder of the database. */
  readonly folder: string;
  /** Issues a contract to everyone and binds it to the agent; gives the ids. */
  grant(
    agentId: string,
    capability: string,
    more?: Partial<Parameters<Pipeline["bindingManager"]["bind"]>[0]>,
  ): Promise<{ readonly contractId: string; readonly bindingId: string }>;
  /** A step of `agent`, with what is not said filled in. */
  context(fields: Partial<ContextFields> & Pick<ContextFields, "action">): SecureExecutionContext;
  /** Committed events as a second connection to the file sees them. */
  committed(): AuditEvent[];
  close(): Promise<void>;
}

export async function openWorld(options: Partial<PipelineOptions> = {}): Promise<World> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "synapse-core-")));
  const folder = join(root, "workspace");
  mkdirSync(folder);
  const database = options.database ?? join(root, "state", "log.db");
  const pipeline = await createPipeline({ workingFolder: folder, ...options, database });
  return {
    pipeline,
    database,
    folder,
    async grant(agentId, capability, more = {}) {
      const delegable = more.delegable === true;
      const contract = await pipeline.capabilityManager.issue({
        capability,
        issuedBy: "operator",
        delegable,
      });
      const binding = await pipeline.bindingManager.bind({
        agentId,
        capability,
        createdBy: "operator",
        contractId: contract.id,
        ...more,
      });
      return { contractId: contract.id, bindingId: binding.id };
    },
    context: (fields) =>
      new SecureExecutionContext({
        workflowId: "wf",
        stepId: "step",
        agentId: "agent",
        requiredCapability: "job:run:a",
        auditReference: "case-1",
        traceId: "trace-1",
        ...fields,
      }),
    committed: () => committedEvents(database),
    async close() {
      await pipeline.close();
      // Record, replay, compare: whatever a test had a pipeline do.
      await expectSameAgain(database, folder, options.actions);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What is durable, read through a connection of its own. */
export function committedEvents(database: string): AuditEvent[] {
  const connection = new Database(database, { readonly: true });
  try {
    const rows = connection.prepare("SELECT doc FROM events ORDER BY seq").all() as { doc: string }[];
    return rows.map((row) => JSON.parse(row.doc) as AuditEvent);
  } finally {
    connection.close();
  }
}

/** An action that needs `job:run:a` and does what the test says. */
export function job(
  run: ActionDefinition["run"] = () => "done",
  more: Partial<ActionDefinition> = {},
): Action {
  return defineAction({ name: "job.run", requires: () => "job:run:a", ...more, run });
}

/** The step events of a log, in order, without the `step_execution_` in front. */
export function stepEvents(events: readonly AuditEvent[]): string[] {
  return events
    .filter(({ event }) => event.startsWith("step_execution_"))
    .map(({ event }) => event.slice("step_execution_".length));
}

/** A promise and the switch that settles it. */
export function gate<T = void>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => (open = resolve));
  return { promise, open };
}
