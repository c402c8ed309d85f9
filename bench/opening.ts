/**
 * What opening a log costs by its length: `tsx bench/opening.ts [EVENTS …]`, default 10,000 and 1,000,000. Makes
 * the logs with the real store, opens each with `createPipeline` and prints the median in ms.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "../src/model/canonical.js";
import { changesOf } from "../src/model/change.js";
import { type AuditEvent, protocolVersion } from "../src/model/event.js";
import { formatInstant } from "../src/model/time.js";
import { createPipeline } from "../src/pipeline.js";
import { SqliteDriver } from "../src/stores/sqlite/driver.js";

const bindings = 100;
const openings = 11;
const batch = 20_000;

/** A log as it becomes: some authority, then steps that were asked for, authorised and completed. */
async function makeLog(database: string, events: number): Promise<void> {
  const pipeline = await createPipeline({ database });
  await pipeline.capabilityManager.issue({ capability: "crm:update", issuedBy: "bench" });
  for (let n = 0; n < bindings; n++) {
    await pipeline.bindingManager.bind({
      agentId: `a${n}`,
      capability: `crm:update:k${n}`,
      createdBy: "bench",
    });
  }
  await pipeline.close();
  const driver = new SqliteDriver(database, { create: false });
  const head = driver.treeHead().size;
  const timestamp = formatInstant(Date.now() + 1_000);
  for (let from = head + 1; from <= events; from += batch) {
    const tx = driver.begin();
    if (tx === undefined) throw new Error("somebody else writes");
    for (let seq = from; seq < Math.min(from + batch, events + 1); seq++) {
      const event = stepEvent(seq, timestamp);
      tx.append(event, canonicalJson(event), changesOf(event));
    }
    tx.commit();
  }
  driver.close();
}

function stepEvent(seq: number, timestamp: string): AuditEvent {
  const step = { workflow_id: "w", step_id: "s", agent_id: `a${seq % bindings}`, run_id: null, attempt: 1 };
  const envelope = { id: `evt-${seq}`, seq, timestamp, protocol_version: protocolVersion };
  const request_id = `req-${seq - (seq % 2)}`;
  if (seq % 2 === 0)
    return { ...envelope, ...step, event: "step_execution_authorized", request_id, charged: [] };
  return { ...envelope, ...step, event: "step_execution_completed", request_id, result: "success" };
}

async function openingMs(database: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < openings; n++) {
    const start = performance.now();
    const pipeline = await createPipeline({ database, create: false });
    times.push(performance.now() - start);
    await pipeline.close();
  }
  return times.sort((a, b) => a - b)[Math.floor(openings / 2)] ?? 0;
}

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10_000, 1_000_000];
const folder = mkdtempSync(join(tmpdir(), "synapse-opening-"));
try {
  let first: number | undefined;
  for (const events of sizes) {
    const database = join(folder, `${events}.db`);
    await makeLog(database, events);
    const ms = await openingMs(database);
    first ??= ms;
    process.stdout.write(
      `${events} events: ${ms.toFixed(1)} ms, ${(ms / first).toFixed(2)} times the first\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
