/**
 * Every table of the schema, every column: a row that was taken away, put in or edited behind the log's back is
 * found. Goes through the schema itself, so that a table that comes to it cannot be forgotten here.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyLog } from "../../src/audit/verify-log.js";
import { createPipeline, defineAction, SecureExecutionContext } from "../../src/index.js";
import { capability } from "../../src/model/capability/index.js";
import { schema } from "../../src/stores/sqlite/schema.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { ledgerOf } from "../../src/core/audit.js";
import { rotateKey } from "../../src/core/key-rotation.js";
import { parseVerifierKey } from "../../src/verify.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import { livelyLog } from "../proof/fixtures/lively-log.js";

/** What an edit of each table is found as; undefined for what the log says nothing of, and why. */
const findings: Readonly<Record<string, readonly string[] | undefined>> = {
  // The last one taken away leaves a log that is whole, and a head of the tree that is not its own.
  events: ["entry_mismatch", "malformed_entry", "wrong_order", "root_mismatch"],
  tree_head: ["root_mismatch"],
  tree_nodes: ["root_mismatch"],
  checkpoints: ["malformed_checkpoint", "malformed_note", "checkpoint_behind", "unknown_key"],
  meta: ["wrong_origin", "database_damaged"],
  authority: ["projection_mismatch"],
  rate_uses: ["projection_mismatch"],
  event_ids: ["projection_mismatch"],
  event_keys: ["projection_mismatch"],
  key_rotations: ["projection_mismatch", "unknown_key"],
  suspended: ["projection_mismatch"],
  open_steps: ["projection_mismatch"],
  runs: ["projection_mismatch"],
  policies: ["projection_mismatch"],
  blobs: ["blob_mismatch", "blob_missing"],
  // The agents' own data: docs/audit.md says that it is no part of the log.
  memory: undefined,
  // Who writes at present: gone with the processes, and no authority hangs on it.
  leases: undefined,
};

type Row = Readonly<Record<string, unknown>>;
interface Column {
  readonly name: string;
  readonly pk: number;
  readonly hidden: number;
}

let source: string;
let scratch: string;
let openStep: string;

/** A log in which every table has rows: everything happened, an agent is suspended, a step is open. */
beforeAll(async () => {
  source = mkdtempSync(join(tmpdir(), "synapse-tables-"));
  scratch = mkdtempSync(join(tmpdir(), "synapse-tables-"));
  const database = join(source, "live.db");
  await livelyLog(database);
  let finish = (): void => undefined;
  const patient = defineAction({
    name: "test.patient",
    params: { type: "object" },
    requires: () => capability("memory", "write", "notes/w"),
    run: async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return null;
    },
  });
  const pipeline = await createPipeline({ database, actions: [patient] });
  await pipeline.capabilityManager.suspend("zoe", { by: "op" });
  const origin = parseVerifierKey(pipeline.verifierKey()).name;
  await rotateKey(ledgerOf(pipeline.audit), { keyFile: `${database}.key`, origin, by: "op" });
  while ((await pipeline.audit.getEvents()).length < 520) await pipeline.audit.emitEvent("x_note", {});
  await pipeline.checkpoint();
  const context = new SecureExecutionContext({
    workflowId: "w",
    stepId: "open",
    agentId: "writer",
    requiredCapability: "memory:write:notes/**",
    auditReference: "ref",
    traceId: "trace",
    action: patient,
  });
  const running = pipeline.executor.executeStep(context);
  while (
    (await pipeline.audit.getEvents({ event: "step_execution_authorized" })).every(
      (e) => e["step_id"] !== "open",
    )
  )
    await new Promise((resolve) => setTimeout(resolve, 5));
  // As a killed process leaves it, with the step in the tables: those are brought up to date with this event.
  await pipeline.capabilityManager.suspend("yan", { by: "op" });
  const db = new Database(database);
  db.exec(`VACUUM INTO '${join(source, "log.db")}'`);
  db.close();
  copyFileSync(`${database}.key`, join(source, "log.db.key"));
  finish();
  await running;
  await pipeline.close();
  openStep = (rowsOf("open_steps")[0] as { request_id: string }).request_id;
});
afterAll(() => {
  for (const folder of [source, scratch]) rmSync(folder, { recursive: true, force: true });
});

function rowsOf(table: string): Row[] {
  const db = new Database(join(source, "log.db"), { readonly: true });
  try {
    return db.prepare(`SELECT * FROM ${table}`).all() as Row[];
  } finally {
    db.close();
  }
}

async function problemsAfter(change: (db: Database.Database) => void) {
  const database = join(scratch, "log.db");
  for (const suffix of ["-wal", "-shm"]) rmSync(database + suffix, { force: true });
  copyFileSync(join(source, "log.db"), database);
  const db = new Database(database);
  db.pragma("foreign_keys = OFF");
  db.pragma("ignore_check_constraints = ON");
  change(db);
  db.close();
  const image = openImage(database);
  try {
    return (await verifyLog(image, { ownKey: publicKeyBeside(join(source, "log.db.key")) })).problems;
  } finally {
    image.close();
  }
}

function tablesOf(): ReadonlyMap<string, readonly Column[]> {
  const db = new Database(":memory:");
  db.exec(schema);
  const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[];
  const columns = (name: string) =>
    (db.pragma(`table_xinfo(${name})`) as Column[]).filter(({ hidden }) => hidden === 0);
  const tables = new Map(names.map((name) => [name, columns(name)]));
  db.close();
  return tables;
}

/** Another value of the same type; of something that was not there, a value. */
function other(value: unknown): unknown {
  if (typeof value === "number") return value + 1_000;
  // SQLite's own columns would not take a document that is no JSON.
  if (typeof value === "string") return value.startsWith("{") ? value.replace("{", '{"":0,') : `${value}x`;
  if (value instanceof Uint8Array)
    return value.length === 0
      ? Buffer.alloc(1)
      : Buffer.from(value.map((byte, at) => (at === 0 ? byte ^ 1 : byte)));
  return "x";
}

const someOf = (rows: readonly Row[]) =>
  [...new Set([0, Math.floor(rows.length / 2), rows.length - 1])].map((i) => rows[i] as Row);

describe("every table of the schema", () => {
  const tables = tablesOf();

  test("is known here, has rows here, and is sound before it is touched", async () => {
    expect(Object.keys(findings).sort()).toEqual([...tables.keys()].sort());
    for (const table of tables.keys())
      if (findings[table] !== undefined) expect([table, rowsOf(table).length]).not.toEqual([table, 0]);
    expect(await problemsAfter(() => undefined)).toEqual([]);
  });

  for (const [table, columns] of tables) {
    const codes = findings[table];
    if (codes === undefined) continue;
    const names = columns.map(({ name }) => name);
    const where = names.map((name) => `${name} IS @${name}`).join(" AND ");
    const keyed = (row: Row) => Object.fromEntries(names.map((name) => [name, row[name]]));
    const expectFound = async (what: string, change: (db: Database.Database) => void) => {
      const [first] = await problemsAfter(change);
      expect({ what, code: first?.code ?? "nothing found" }).toEqual({
        what,
        code: expect.toBeOneOf([...codes]) as string,
      });
    };

    test(`${table}: a row taken away`, async () => {
      for (const row of someOf(rowsOf(table))) {
        // A log may have fewer checkpoints; that of a rotation aside, whose absence is a finding of its own.
        if (table === "checkpoints") continue;
        await expectFound(JSON.stringify(keyed(row)), (db) =>
          db.prepare(`DELETE FROM ${table} WHERE ${where}`).run(keyed(row)),
        );
      }
    });

    test(`${table}: a row put in`, async () => {
      for (const row of someOf(rowsOf(table))) {
        // Bytes under their own commitment say nothing that they did not say where they were.
        const unique = (name: string, pk: number) =>
          pk > 0 || name === "created_seq" || (table === "blobs" && name === "ref");
        const added = Object.fromEntries(
          columns.map(({ name, pk }) => [name, unique(name, pk) ? other(row[name]) : row[name]]),
        );
        await expectFound(JSON.stringify(added), (db) =>
          db
            .prepare(
              `INSERT INTO ${table} (${names.join()}) VALUES (${names.map((name) => `@${name}`).join()})`,
            )
            .run(added),
        );
      }
    });

    for (const name of names) {
      test(`${table}: \`${name}\` edited`, async () => {
        for (const row of someOf(rowsOf(table))) {
          await expectFound(`${name} of ${JSON.stringify(keyed(row))}`, (db) =>
            db
              .prepare(`UPDATE ${table} SET ${name} = @changed WHERE ${where}`)
              .run({ ...keyed(row), changed: other(row[name]) }),
          );
        }
      });
    }
  }
});

describe("an open step taken out of the tables", () => {
  test("is named: nobody would find out that its outcome is unknown", async () => {
    const problems = await problemsAfter((db) => db.prepare("DELETE FROM open_steps").run());
    const { seq } = rowsOf("open_steps")[0] as { seq: number };
    expect(problems).toEqual([
      expect.objectContaining({
        code: "projection_mismatch",
        seq,
        message: `step \`${openStep}\` was authorised and has not ended, and is not in the tables`,
      }),
    ]);
  });
});
