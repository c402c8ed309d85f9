import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "../../src/model/json.js";
import { proveInclusion } from "../../src/model/proof/inclusion.js";
import { entryBytes } from "../../src/model/proof/entry.js";
import { hasher, MemoryLog } from "../proof/fixtures/exported.js";
import { testKey } from "../proof/fixtures/keys.js";

/** What whoever makes up a log of a run may put in it. */
export interface Forgery {
  /** A file that an action of the run reads, or would delete. */
  readonly canary: string;
  /** Where somebody listens. */
  readonly port: number;
  readonly action: string;
  /** Bytes behind the commitment to the parameters. */
  readonly params: Buffer;
  readonly workingFolder: string;
  readonly agent: string;
  readonly contract: string;
  readonly capability: string;
  readonly constraints: JsonObject;
}

/** A bundle of a log that never was, sound in itself, signed by its maker's own key. */
export function forgedBundle(forgery: Partial<Forgery>): { readonly text: string; readonly vkey: string } {
  const {
    canary = "/canary",
    agent = "a",
    workingFolder = "/",
    contract = "ctr_1",
    constraints = {},
  } = forgery;
  const { action = "fs.delete", capability = `fs:delete:${canary}` } = forgery;
  const blobs: JsonObject[] = [];
  const keep = (bytes: Buffer): string => {
    const ref = createHash("sha256").update(bytes).digest("hex");
    // The same value twice is the same bytes, and stands in a bundle once.
    if (!blobs.some((blob) => blob["ref"] === ref))
      blobs.push({ type: "blob", ref, salt: "", bytes: bytes.toString("base64") });
    return ref;
  };
  const keepJson = (value: JsonValue) => keep(Buffer.from(JSON.stringify(value)));
  const at = "2026-01-01T00:00:00.000Z";
  const common = {
    workflow_id: "wf",
    step_id: "s",
    agent_id: agent,
    capability,
    run_id: "run_1",
    attempt: 1,
    trace_id: "t",
    audit_reference: "r",
  };
  const use = {
    ...common,
    request_id: "evt_4",
    effect: "fs.delete",
    n: 1,
    capabilities: [`fs:delete:${canary}`],
  };
  const bodies: JsonObject[] = [
    {
      event: "run_started",
      run_id: "run_1",
      workflow_id: "wf",
      definition_commitment: keepJson({ port: forgery.port ?? 0 }),
      inputs_commitment: keepJson({}),
      seed: 0,
      steps: 1,
      working_folder: workingFolder,
    },
    link("capability_created", { contract_id: "ctr_1", issued_to: "*", issued_by: "me" }),
    link("binding_created", {
      binding_id: "bind_1",
      agent_id: agent,
      created_by: "me",
      contract_id: contract,
    }),
    {
      event: "step_execution_requested",
      ...common,
      action,
      requirements: [capability],
      params_commitment: keep(forgery.params ?? Buffer.from(JSON.stringify({ path: canary }))),
      execution_seed: 0,
      created_at: at,
    },
    {
      event: "step_execution_authorized",
      ...common,
      request_id: "evt_4",
      decided_at: at,
      state_seq: 4,
      binding_id: "bind_1",
      binding_ids: ["bind_1"],
      charged: [],
    },
    { event: "effect_attempted", ...use, request_commitment: keepJson({ path: canary }) },
    { event: "effect_performed", ...use, result: "success", answer_commitment: keepJson({ deleted: true }) },
    {
      event: "step_execution_completed",
      ...common,
      request_id: "evt_4",
      binding_id: "bind_1",
      result: "success",
      duration_ms: 1,
      effects: 1,
      output_commitment: keepJson({ deleted: true }),
    },
  ];
  function link(event: string, members: JsonObject): JsonObject {
    return { event, ...members, capability, constraints, delegable: false };
  }
  const events = bodies.map((body, index) => ({
    ...body,
    id: `evt_${index + 1}`,
    seq: index + 1,
    timestamp: at,
    protocol_version: "1.0",
  }));
  const log = new MemoryLog(events.map(entryBytes));
  const key = testKey("forged.example", 7);
  const size = events.length;
  const checkpoint = key.checkpoint(size, log.root());
  const lines: JsonObject[] = [
    { type: "bundle", format: "synapse-bundle/v1", run_id: "run_1", checkpoint, vkey: key.vkey },
    ...events.map((event, index) => ({
      type: "event",
      event,
      inclusion: proveInclusion(hasher, log.read, index, size).map((hash) =>
        Buffer.from(hash).toString("base64"),
      ),
    })),
    ...blobs,
  ];
  return { text: lines.map((line) => `${JSON.stringify(line)}\n`).join(""), vkey: key.vkey };
}
