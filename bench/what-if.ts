/**
 * What `what-if` costs by the length of the log: `tsx bench/what-if.ts [REQUESTS …]`, default 100,000 and
 * 1,000,000. Makes logs with the real store (each request is three events; every tenth has to fit a `params`
 * constraint, so that its parameters are read), asks what another policy would have changed, and prints the
 * time, the time for each request, and the largest resident memory that was seen.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "../src/model/canonical.js";
import { changesOf } from "../src/model/change.js";
import { type AuditEvent, protocolVersion } from "../src/model/event.js";
import type { JsonObject } from "../src/model/json.js";
import { formatInstant } from "../src/model/time.js";
import { createPipeline } from "../src/pipeline.js";
import { applyPolicy } from "../src/policy/apply.js";
import { parsePolicy } from "../src/policy/file.js";
import { whatIf } from "../src/policy/what-if.js";
import { SqliteDriver } from "../src/stores/sqlite/driver.js";
import { openImage } from "../src/stores/sqlite/image.js";

const agents = 100;
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

const policy = (folder: string) => parsePolicy(policyText(folder), "/bench/policy.yaml");

async function makeLog(database: string, requests: number): Promise<void> {
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

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [100_000, 1_000_000];
const folder = mkdtempSync(join(tmpdir(), "synapse-what-if-"));
try {
  for (const requests of sizes) {
    const database = join(folder, `${requests}.db`);
    await makeLog(database, requests);
    const image = openImage(database);
    let rss = 0;
    const start = performance.now();
    const cpu = process.cpuUsage();
    const report = await whatIf(image, policy("f1*/**"), {
      onProgress: () => (rss = Math.max(rss, process.memoryUsage.rss())),
    });
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    image.close();
    rmSync(database);
    process.stdout.write(
      `${requests} requests: ${(ms / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of processor), ` +
        `${((ms / requests) * 1000).toFixed(1)} µs each, ` +
        `${(rss / 2 ** 20).toFixed(0)} MiB; ${report.newly_denied} newly denied, ${report.unchanged} unchanged\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
