import { createHash } from "node:crypto";
import { canonicalJson } from "../../src/model/canonical.js";
import { changesOf } from "../../src/model/change.js";
import { type AuditEvent, protocolVersion } from "../../src/model/event.js";
import type { JsonObject } from "../../src/model/json.js";
import { formatInstant } from "../../src/model/time.js";
import { createPipeline } from "../../src/pipeline.js";
import { applyPolicy } from "../../src/policy/apply.js";
import { parsePolicy } from "../../src/policy/file.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";

/** Each asks as often as the others. */
export const agents = 100;
const batch = 10_000;

/** @param folder which each agent may read: narrower in the candidate, so that decisions change. */
function policyText(folder: string): string {
  const grants = Array.from(
    { length: agents },
    (_, n) =>
      `  a${n}:\n    - fs:read:/data/a${n}/${folder}\n    - capability: crm:update:k${n}\n` +
      `      constraints: { params: { type: object, required: [n], properties: { n: { type: integer } } } }\n`,
  );
  return `version: 1\nname: bench\ncontracts:\n  files: { capability: "fs:read:/data/**" }\n  crm: { capability: "crm:update" }\nagents:\n${grants.join("")}`;
}

export const policy = (folder: string) => parsePolicy(policyText(folder), "/bench/policy.yaml");

/**
 * Makes a log with the real store: each request is three events, and every tenth has to fit a `params` constraint, so that
 * its parameters are read.
 */
export async function makeLog(database: string, requests: number): Promise<void> {
  const pipeline = await createPipeline({ database });
  await applyPolicy(pipeline, policy("**"), { by: "bench" });
  const ids = new Map(
    (await pipeline.bindingManager.listBindings()).map((each) => [
      `${each.agentId} ${each.capability}`,
      each.id,
    ]),
  );
  await pipeline.close();
  const driver = new SqliteDriver(database, { create: false });
  let seq = driver.treeHead().size;
  const start = Date.now() + 1_000;
  for (let from = 0; from < requests; from += batch) {
    const tx = driver.begin();
    if (tx === undefined) throw new Error("somebody else writes");
    const append = (body: JsonObject & { event: string }, at: string): AuditEvent => {
      const event = { ...body, id: `evt-${++seq}`, seq, timestamp: at, protocol_version: protocolVersion };
      tx.append(event, canonicalJson(event), changesOf(event));
      return event;
    };
    for (let n = from; n < Math.min(from + batch, requests); n++) {
      const at = formatInstant(start + n);
      const agent = n % agents;
      const isCrm = Math.floor(n / agents) % 10 === 0;
      const capability = isCrm ? `crm:update:k${agent}` : `fs:read:/data/a${agent}/f${n % 5_000}/x.txt`;
      const grant = isCrm ? capability : `fs:read:/data/a${agent}/**`;
      const bytes = Buffer.from(canonicalJson({ n }));
      const salt = Buffer.alloc(16, n);
      const ref = createHash("sha256").update(salt).update(bytes).digest("hex");
      tx.putBlob(seq + 1, { ref, salt, bytes });
      const run = `run_${Math.floor(n / 100)}`;
      const common = {
        workflow_id: "bench",
        step_id: `s${n % 100}`,
        agent_id: `a${agent}`,
        capability,
        run_id: run,
        attempt: 1,
        trace_id: run,
        audit_reference: run,
      };
      const { id: request_id } = append(
        {
          ...common,
          event: "step_execution_requested",
          action: "bench.act",
          requirements: [capability],
          params_commitment: ref,
          execution_seed: 1,
          created_at: at,
        },
        at,
      );
      const binding_id = ids.get(`a${agent} ${grant}`) ?? "missing";
      const decided = { request_id, decided_at: at, state_seq: seq };
      append(
        {
          ...common,
          event: "step_execution_authorized",
          ...decided,
          binding_id,
          binding_ids: [binding_id],
          charged: [],
        },
        at,
      );
      append(
        {
          ...common,
          event: "step_execution_completed",
          request_id,
          binding_id,
          result: "success",
          duration_ms: 1,
          effects: 0,
        },
        at,
      );
    }
    tx.commit();
  }
  driver.close();
}
