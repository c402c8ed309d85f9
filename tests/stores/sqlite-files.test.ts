import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createPipeline,
  defineAction,
  openStore,
  SecureExecutionContext,
  StoreError,
} from "../../src/index.js";
import { AuditUnavailableError } from "../../src/model/errors.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { refused } from "../model/fixtures/refused.js";
import { gather } from "./fixtures/process.js";
import { programOf } from "../programs.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "synapse-files-"));
});

afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const open = (database: string, create = true) => openStore({ database, create });

describe("files (H2)", () => {
  it.each([0, 0o022, 0o077])("are 0600 in a folder of 0700, under umask %s", async (mask) => {
    const before = process.umask(mask);
    try {
      const database = join(folder, "new", "deep", "log.db");
      const pipeline = await createPipeline({ database });
      await pipeline.audit.emitEvent("x_note", {});
      expect([database, `${database}-wal`, `${database}-shm`].map(mode)).toEqual(["600", "600", "600"]);
      expect([join(folder, "new"), join(folder, "new", "deep")].map(mode)).toEqual(["700", "700"]);
      await pipeline.close();
    } finally {
      process.umask(before);
    }
  });

  it("a database that is there keeps its mode: whoever opened it up, or narrowed it, meant it", () => {
    const database = join(folder, "log.db");
    open(database).close();
    chmodSync(database, 0o640);
    open(database).close();
    expect(mode(database)).toBe("640");
  });
});

describe("what is no store of ours is refused, and left as it was", () => {
  it("nothing there, when it is not to be made", () => {
    const database = join(folder, "none", "log.db");
    const error = refused(() => open(database, false), StoreError, "missing_store");
    expect(error.hint).toContain("--db");
    expect(() => statSync(join(folder, "none"))).toThrow("ENOENT");
  });

  it.each([
    ["text", Buffer.from("these are notes, not a database\n".repeat(400))],
    [
      "a SQLite header and rubbish",
      Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(5_000, 7)]),
    ],
  ])("%s", (_name, bytes) => {
    const database = join(folder, "notes.txt");
    writeFileSync(database, bytes);
    refused(() => open(database), StoreError, "not_a_store");
    expect(readFileSync(database).equals(bytes)).toBe(true);
  });

  it("another program's database: not a byte of it changes, its journal mode neither", () => {
    const database = join(folder, "theirs.db");
    const theirs = new Database(database);
    theirs.exec("CREATE TABLE events (seq INTEGER PRIMARY KEY, doc TEXT)");
    theirs.close();
    const bytes = readFileSync(database);
    refused(() => open(database), StoreError, "not_a_store");
    expect(readFileSync(database).equals(bytes)).toBe(true);
  });

  it("another program's database that is still empty", () => {
    const database = join(folder, "theirs.db");
    const theirs = new Database(database);
    theirs.pragma("application_id = 1234");
    theirs.close();
    refused(() => open(database), StoreError, "not_a_store");
  });

  it("a store of a newer version", () => {
    const database = join(folder, "log.db");
    open(database).close();
    const db = new Database(database);
    db.pragma("user_version = 99");
    db.close();
    const error = refused(() => open(database), StoreError, "newer_store");
    expect(error.hint).toContain("update");
  });

  it("a folder, and a file where a folder should be", () => {
    refused(() => open(folder), StoreError, "cannot_open");
    writeFileSync(join(folder, "file"), "");
    refused(() => open(join(folder, "file", "log.db")), StoreError, "cannot_open");
  });
});

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

describe("a log that cannot be written: nothing runs (fail closed)", () => {
  const script = programOf("tests/stores/fixtures/unwritable.ts");

  /** Runs one step as a user without special rights, who may write as far as `lock` left it. */
  async function stepAsNobody(lock: (database: string) => void): Promise<unknown> {
    const database = join(folder, "data", "log.db");
    mkdirSync(join(folder, "data"));
    const pipeline = await createPipeline({ database });
    await pipeline.capabilityManager.issue({ capability: "crm:update", issuedBy: "operator" });
    await pipeline.bindingManager.bind({ agentId: "a", capability: "crm:update", createdBy: "operator" });
    await pipeline.close();
    if (isRoot) for (const path of [folder, join(folder, "data"), database]) chownSync(path, nobody, nobody);
    lock(database);
    const identity = isRoot ? { uid: nobody, gid: nobody } : {};
    const child = spawn(process.execPath, [script, database], {
      ...identity,
      env: { ...process.env, HOME: folder, TMPDIR: folder },
    });
    const { code, stdout, stderr } = await gather(child).ended;
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as unknown;
  }

  it("a file that is read-only: the step is denied as audit_unavailable and its action is not called", async () => {
    const report = await stepAsNobody((database) => chmodSync(database, 0o400));
    expect(report).toEqual({ opened: true, step: "audit_unavailable", bind: "audit_unavailable", ran: 0 });
  });

  it("a folder that is read-only: the store is refused with a hint", async () => {
    const report = await stepAsNobody((database) => chmodSync(join(database, ".."), 0o500));
    expect(report).toEqual({
      opened: false,
      code: "cannot_open",
      hint: expect.stringContaining("can be written") as unknown,
    });
  });

  it("as a control, with nothing locked it runs", async () => {
    expect(await stepAsNobody(() => undefined)).toEqual({
      opened: true,
      step: "completed",
      bind: "bound",
      ran: 1,
    });
  });
});

it("bytes that somebody put where events are still to come give way to those of the events", async () => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-stray-"));
  const database = join(folder, "log.db");
  const pipeline = await createPipeline({ database });
  await pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "operator" });
  const db = new Database(database);
  const put = db.prepare("INSERT INTO blobs (id, ref, salt, bytes) VALUES (?, 'stray', x'', x'00')");
  for (let seq = 1; seq < 20; seq++) put.run(seq * 16);
  db.close();
  const action = defineAction({ name: "job.run", requires: () => "job:run:a", run: () => "done" });
  const fields = { workflowId: "w", stepId: "s", agentId: "a", requiredCapability: "job:run:a" };
  const context = new SecureExecutionContext({
    ...fields,
    auditReference: "r",
    traceId: "t",
    action,
    actionParams: { of: "mine" },
  });
  const { status } = await pipeline.executor.executeStep(context);
  expect(status).toBe("denied");
  const [requested] = await pipeline.audit.getEvents({ event: "step_execution_requested" });
  await pipeline.close();
  const kept = new Database(database, { readonly: true });
  const bytes = kept.prepare("SELECT bytes FROM blobs WHERE seq = ?").pluck().all(requested?.seq) as Buffer[];
  kept.close();
  expect(bytes.map(String)).toEqual(['{"of":"mine"}']);
  rmSync(folder, { recursive: true });
});

describe("a disk that is full (D9)", () => {
  const canMount = isRoot && process.platform === "linux" && tryMount();

  it.skipIf(!canMount)(
    "a step is denied, nothing is lost, and it goes on when there is space again (needs root, for a tmpfs)",
    async () => {
      const mount = join(folder, "small");
      mkdirSync(mount);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount]);
      try {
        const pipeline = await createPipeline({ database: join(mount, "log.db") });
        const contract = await pipeline.capabilityManager.issue({
          capability: "crm:update",
          issuedBy: "operator",
        });
        const noted: string[] = [];
        const ballast = join(mount, "ballast");
        const fill = (bytes: number) => writeFileSync(ballast, Buffer.alloc(bytes), { flag: "a" });
        const free = () =>
          Number(
            execFileSync("stat", ["-f", "-c", "%a %S", mount])
              .toString()
              .split(" ")
              .reduce((a, b) => String(Number(a) * Number(b))),
          );
        noted.push(await pipeline.audit.emitEvent("x_note", {}));
        // Inside the reserve: notes are refused, revocations are not.
        fill(free() - 200 * 1024);
        await refusal(pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
        expect(await pipeline.capabilityManager.revoke(contract.id, { revokedBy: "operator" })).toBe(true);
        // To the last byte: whatever is answered is in the log, and what is refused is not.
        fill(free());
        const contracts: string[] = [];
        for (let n = 0; n < 40; n++) {
          try {
            contracts.push(
              (
                await pipeline.capabilityManager.issue({
                  capability: "crm:update",
                  issuedBy: "o".repeat(200),
                })
              ).id,
            );
          } catch (error) {
            expect(error).toBeInstanceOf(AuditUnavailableError);
            break;
          }
        }
        expect(contracts.length).toBeLessThan(40);
        rmSync(ballast);
        noted.push(await pipeline.audit.emitEvent("x_note", {}));
        const events = await pipeline.audit.getEvents();
        expect(events.map((event) => event.seq)).toEqual(events.map((_, n) => n + 1));
        expect(events.filter((event) => event.event === "x_note").map((event) => event.id)).toEqual(noted);
        const created = events
          .filter((event) => event.event === "capability_created")
          .map((event) => event["contract_id"]);
        expect(created).toEqual([contract.id, ...contracts]);
        await pipeline.close();
      } finally {
        execFileSync("umount", [mount]);
      }
    },
  );
});

function tryMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "synapse-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
