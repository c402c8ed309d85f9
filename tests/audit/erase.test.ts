/** Erasing: the bytes are gone from every file, and the log proves what it proved before. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { createPipeline, SecureExecutionContext } from "../../src/index.js";
import { type Document, document, documents, expectRefusal, folder, synapse } from "../cli/invoke.js";

const by = ["--by", "dpo", "--why", "request 17"];

/** A log of forty steps whose parameters all hold a text that stands nowhere else. */
async function written(): Promise<{ readonly cwd: string; readonly secret: (i: number) => string }> {
  const cwd = folder();
  const secret = (i: number) => `plaintext-of-person-${String(i).padStart(3, "0")}-${"lorem ".repeat(i * 7)}`;
  const pipeline = await createPipeline({ database: join(cwd, "log.db") });
  await pipeline.capabilityManager.issue({ capability: "fs:read:/**", issuedBy: "ops" });
  for (let i = 0; i < 40; i++) {
    await pipeline.executor.executeStep(
      new SecureExecutionContext({
        workflowId: "w",
        stepId: `s${i}`,
        agentId: "nobody",
        requiredCapability: "memory:write:**",
        auditReference: "ref",
        traceId: "trace",
        action: pipeline.actions.get("memory.set") as never,
        actionParams: { key: "k", value: secret(i) },
      }),
    );
  }
  await pipeline.close();
  return { cwd, secret };
}

/** Every file of the database that holds the text. */
function holding(cwd: string, text: string): string[] {
  return ["log.db", "log.db-wal", "log.db-shm"].filter(
    (name) => existsSync(join(cwd, name)) && readFileSync(join(cwd, name)).includes(text),
  );
}

const run = (cwd: string, ...argv: string[]) => synapse({ cwd }, ...argv, "--db", "log.db");
const refOf = async (cwd: string, step: string): Promise<string> => {
  const events = documents(await run(cwd, "audit", "list", "--event", "step_execution_requested", "--json"));
  return (events.find((event: Document) => event["step_id"] === step) ?? {})["params_commitment"] as string;
};

describe("synapse audit erase", () => {
  test("leaves the text in no file of the database, and every proof holds", async () => {
    const { cwd, secret } = await written();
    const proof = await run(cwd, "audit", "prove", "5");
    for (let i = 0; i < 40; i += i === 3 ? 2 : 1) {
      expect(holding(cwd, secret(i).slice(0, 24))).not.toEqual([]);
      const ref = await refOf(cwd, `s${i}`);
      const salt = saltOf(cwd, ref);
      expect(document(await run(cwd, "audit", "erase", ref, ...by, "--json"))).toMatchObject({
        ref,
        changed: true,
      });
      expect(holding(cwd, secret(i).slice(0, 24))).toEqual([]);
      expect(readFileSync(join(cwd, "log.db")).includes(salt)).toBe(false);
    }
    expect(holding(cwd, secret(4).slice(0, 24))).not.toEqual([]);
    expect((await run(cwd, "audit", "verify")).code).toBe(0);
    expect((await run(cwd, "audit", "prove", "5")).code).toBe(0);
    const vkey = (await run(cwd, "audit", "key")).stdout.trim();
    const elsewhere = folder({ "p.json": proof.stdout });
    expect((await synapse({ cwd: elsewhere }, "audit", "check-proof", "p.json", "--key", vkey)).code).toBe(0);
  });

  test("is recorded with who and why, and twice says so", async () => {
    const { cwd } = await written();
    const ref = await refOf(cwd, "s1");
    const first = document(await run(cwd, "audit", "erase", ref, ...by, "--json"));
    const recorded = documents(await run(cwd, "audit", "list", "--event", "blob_erased", "--json"));
    expect(recorded).toMatchObject([{ ref, by: "dpo", why: "request 17", seq: first["seq"] }]);
    expect(document(await run(cwd, "audit", "erase", ref, ...by, "--json"))).toMatchObject({
      changed: false,
      seq: first["seq"],
    });
    expect((await run(cwd, "audit", "erase", ref, ...by)).stdout).toMatch(/was erased before, by event \d+/);
    expect(documents(await run(cwd, "audit", "list", "--event", "blob_erased", "--json"))).toHaveLength(1);
  });

  test("of what the store never had, or that is no commitment, is refused: 2, and nothing is recorded", async () => {
    const { cwd } = await written();
    expectRefusal(await run(cwd, "audit", "erase", "0".repeat(64), ...by), 2, "not_found");
    expectRefusal(await run(cwd, "audit", "erase", "nonsense", ...by), 2, "usage");
    expectRefusal(await run(cwd, "audit", "erase", "0".repeat(64), "--by", "x"), 2, "usage");
    expect(documents(await run(cwd, "audit", "list", "--event", "blob_erased", "--json"))).toEqual([]);
  });

  test("waits for a reader that keeps the write-ahead log busy", async () => {
    const { cwd, secret } = await written();
    const reader = reading(cwd);
    const ref = await refOf(cwd, "s1");
    setTimeout(() => reader.close(), 300);
    expect(document(await run(cwd, "audit", "erase", ref, ...by, "--json"))).toMatchObject({ changed: true });
    expect(reader.open).toBe(false);
    expect(holding(cwd, secret(1).slice(0, 24))).toEqual([]);
  });

  test("says so when a reader does not go away, is recorded, and is finished by asking again", async () => {
    const { cwd, secret } = await written();
    const ref = await refOf(cwd, "s1");
    const reader = reading(cwd);
    const refused = await run(cwd, "audit", "erase", ref, ...by);
    expectRefusal(refused, 1, "audit_unavailable", /remains of them may still stand in free space/);
    expect(refused.stderr).toMatch(/hint: another process uses the database: run the same command again/);
    expect(documents(await run(cwd, "audit", "list", "--event", "blob_erased", "--json"))).toHaveLength(1);
    reader.close();
    expect(document(await run(cwd, "audit", "erase", ref, ...by, "--json"))).toMatchObject({
      changed: false,
    });
    expect(holding(cwd, secret(1).slice(0, 24))).toEqual([]);
    expect((await run(cwd, "audit", "verify")).code).toBe(0);
  }, 20_000);

  test("bytes put back after they were erased are found", async () => {
    const { cwd } = await written();
    const ref = await refOf(cwd, "s1");
    const db = new Database(join(cwd, "log.db"));
    const row = db.prepare("SELECT * FROM blobs WHERE ref = ?").get(ref);
    db.close();
    await run(cwd, "audit", "erase", ref, ...by);
    const again = new Database(join(cwd, "log.db"));
    again.prepare("INSERT INTO blobs (id, ref, salt, bytes) VALUES (@id, @ref, @salt, @bytes)").run(row);
    again.close();
    expect((await run(cwd, "audit", "verify")).stderr).toMatch(/error\[blob_mismatch\].*are back/);
  });
});

/** Another process in the middle of reading: it holds the log as it was. */
function reading(cwd: string): Database.Database {
  const db = new Database(join(cwd, "log.db"), { readonly: true });
  db.exec("BEGIN");
  db.prepare("SELECT count(*) FROM blobs").get();
  return db;
}

function saltOf(cwd: string, ref: string): Buffer {
  const db = new Database(join(cwd, "log.db"), { readonly: true });
  try {
    return db.prepare("SELECT salt FROM blobs WHERE ref = ?").pluck().get(ref) as Buffer;
  } finally {
    db.close();
  }
}
