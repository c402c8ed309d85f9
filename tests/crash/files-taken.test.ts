import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { verifyLog } from "../../src/audit/verify-log.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import { createPipeline } from "../../src/index.js";
import type { AuditEvent } from "../../src/model/event.js";
import { AuditUnavailableError, StoreError } from "../../src/model/errors.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { applicationId } from "../../src/stores/sqlite/schema.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { job, openWorld, type World } from "../core/world.js";
import { refused } from "../model/fixtures/refused.js";
import { numbered, write } from "../stores/contract-writing.js";
import { gather } from "../stores/fixtures/process.js";
import { expectSoundLog } from "./fixtures/log-promises.js";
import { programOf } from "../programs.js";

/*
 * Whoever deletes or replaces a file of a database that is open: nothing runs on into a file that nobody finds, and
 * what was acted on stays recorded, as far as the file that is gone is not all there was of it.
 */

const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const files = ["log.db", "log.db-wal", "log.db-shm"];
const changes = [
  ["deleted", (file: string) => rmSync(file)],
  [
    "replaced",
    (file: string) => {
      copyFileSync(file, `${file}.copy`);
      renameSync(`${file}.copy`, file);
    },
  ],
] as const;

/** The files beside the database are looked at ten times a second. */
const isNoticedAtOnce = (name: string, what: string) =>
  name === "log.db" || (name === "log.db-wal" && what === "deleted");

describe.each(files)("%s, while it is open", (name) => {
  let world: World;
  let file: string;
  let ran = 0;
  const action = job(() => void ran++);
  beforeEach(async () => {
    ran = 0;
    world = await openWorld({ actions: [action] });
    file = join(world.database, "..", name);
    await world.grant("agent", "job:run:a");
  });
  afterEach(async () => {
    // It is not replayed: this process may not read a database any more whose files were replaced.
    await world.pipeline.close();
    rmSync(join(world.folder, ".."), { recursive: true });
  });

  it.each(changes)("%s: the next step is refused and its action is not called", async (what, change) => {
    const { executor, audit } = world.pipeline;
    expect(await executor.executeStep(world.context({ action }))).toMatchObject({ status: "completed" });
    change(file);
    if (!isNoticedAtOnce(name, what)) await new Promise((resolve) => setTimeout(resolve, 150));
    for (let n = 0; n < 3; n++) {
      const result = await executor.executeStep(world.context({ action }));
      expect(result).toMatchObject({ status: "denied", reason: "audit_unavailable" });
    }
    expect(ran).toBe(1);
    const error = await refusal(audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    expect(error.message).toContain(`\`${file}\`) was ${what}`);
  });

  it("is found through a link", async () => {
    const link = join(world.folder, "link.db");
    symlinkSync(world.database, link);
    const pipeline = await createPipeline({ database: link });
    await pipeline.audit.emitEvent("x_note", {});
    renameSync(file, `${file}.aside`);
    if (!isNoticedAtOnce(name, "deleted")) await new Promise((resolve) => setTimeout(resolve, 150));
    await refusal(pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    renameSync(`${file}.aside`, file);
    await pipeline.audit.emitEvent("x_note", {});
    await pipeline.close();
  });

  it("put back, it goes on", async () => {
    renameSync(file, `${file}.aside`);
    if (!isNoticedAtOnce(name, "deleted")) await new Promise((resolve) => setTimeout(resolve, 150));
    await refusal(world.pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    renameSync(`${file}.aside`, file);
    await world.pipeline.audit.emitEvent("x_note", {});
    expect(world.committed().filter(({ event }) => event === "x_note")).toHaveLength(1);
  });
});

describe("what was acted on is recorded, when", () => {
  let folder: string;
  let database: string;
  beforeEach(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-taken-")));
    database = join(folder, "log.db");
    const pipeline = await createPipeline({ database });
    await pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "operator" });
    await pipeline.bindingManager.bind({ agentId: "agent", capability: "job:run", createdBy: "operator" });
    await pipeline.close();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function startSteps(rounds: number) {
    const script = programOf("tests/crash/fixtures/many-steps.ts");
    const task = JSON.stringify({ database, did: join(folder, "did"), rounds });
    const child = spawn(process.execPath, [script, task]);
    onTestFinished(() => void child.kill("SIGKILL"));
    const { said, ended } = gather(child);
    return {
      said,
      kill: () => (child.kill("SIGKILL"), ended),
      close: async () => {
        child.stdin.end();
        expect(await ended).toMatchObject({
          code: 0,
          stdout: expect.stringContaining("refused at last") as unknown,
        });
      },
    };
  }

  const actions = () => readFileSync(join(folder, "did"), "utf8").split("\n").length - 1;
  const take = (...suffixes: string[]) => {
    for (const suffix of suffixes) rmSync(database + suffix);
  };

  /** The log is whole and holds every step whose action ran. */
  async function expectAllRecorded(): Promise<void> {
    const authorised = (events: readonly AuditEvent[]) =>
      events.filter(({ event }) => event === "step_execution_authorized").length;
    expect(authorised(expectSoundLog(folder, ""))).toBeGreaterThanOrEqual(actions());
    const image = openImage(database);
    const { problems } = await verifyLog(image, { ownKey: publicKeyBeside(`${database}.key`) });
    image.close();
    expect(problems).toEqual([]);
  }

  // Before pages were ever moved into the database, and after.
  it.each([
    [2, ["-wal"]],
    [30, ["-wal"]],
    [2, ["-shm"]],
    [30, ["-wal", "-shm"]],
  ])("after %i rounds %j was deleted, and the process is killed", async (round, suffixes) => {
    const steps = startSteps(500);
    await steps.said(`step ${round}`);
    take(...suffixes);
    await steps.said("refused");
    const done = actions();
    expect(done).toBeGreaterThanOrEqual(64 * round);
    await steps.kill();
    await expectAllRecorded();
    expect(actions()).toBe(done);
  });

  it.each([[["-wal"]], [["-shm"]], [["-wal", "-shm"]]])("%j: it is closed in order", async (suffixes) => {
    const steps = startSteps(500);
    await steps.said("step 3");
    take(...suffixes);
    await steps.said("waiting");
    await steps.close();
    // Behind a shared memory that is gone the log stays, for whoever opens the database next.
    expect(existsSync(`${database}-wal`)).toBe(!suffixes.includes("-wal"));
    await expectAllRecorded();
  });

  it.each([[["-wal"]], [["-shm"]], [["-wal", "-shm"]]])(
    "%j: another process goes on with new ones and is killed, and only then the first one closes",
    async (suffixes) => {
      const first = startSteps(500);
      // Longer than the new log will be: what is read in it by the numbers of the other one is there.
      await first.said("step 10");
      take(...suffixes);
      await first.said("waiting");
      const second = startSteps(2);
      await second.said("step 2");
      await second.said("waiting");
      await second.kill();
      await first.close();
      await expectAllRecorded();
    },
  );

  it("the write-ahead log was made anew, empty, and the process closes at once", async () => {
    const pipeline = await createPipeline({ database });
    const id = await pipeline.audit.emitEvent("x_note", {});
    take("-wal");
    writeFileSync(`${database}-wal`, "");
    await pipeline.close();
    expect(expectSoundLog(folder, "").at(-1)?.id).toBe(id);
  });

  it("somebody reads what is older: closing waits until he has done", async () => {
    const pipeline = await createPipeline({ database });
    const reader = spawn(process.execPath, ["--input-type=module", "-e", readFor(2_000)]);
    await gather(reader).said("reading");
    const id = await pipeline.audit.emitEvent("x_note", {});
    take("-wal");
    await refusal(pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    await pipeline.close();
    expect(expectSoundLog(folder, "").at(-1)?.id).toBe(id);
  });

  /** A program that reads one moment of the database for so long. */
  function readFor(ms: number): string {
    const library = import.meta.resolve("better-sqlite3");
    return `
      const { default: Database } = await import(${JSON.stringify(library)});
      const db = new Database(${JSON.stringify(database)}, { readonly: true });
      db.exec("BEGIN");
      db.prepare("SELECT count(*) FROM events").get();
      console.log("reading");
      setTimeout(() => db.close(), ${ms});`;
  }
});

describe("what cannot be looked at any more", () => {
  it("is refused as what is gone is, and does not keep a pipeline from closing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "synapse-taken-"));
    const database = join(folder, "log.db");
    const pipeline = await createPipeline({ database });
    rmSync(`${database}-wal`);
    symlinkSync(`${database}-wal`, `${database}-wal`);
    await refusal(pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    await pipeline.close();
    rmSync(folder, { recursive: true });
  });

  it("a process that had the database open with other files cannot open it again; another one can", async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-taken-")));
    const database = join(folder, "log.db");
    const pipeline = await createPipeline({ database });
    await pipeline.audit.emitEvent("x_note", {});
    renameSync(`${database}-shm`, `${database}-shm.aside`);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await refusal(pipeline.audit.emitEvent("x_note", {}), AuditUnavailableError, "audit_unavailable");
    // Beside the one that is open, and when that is closed.
    await expect(createPipeline({ database })).rejects.toMatchObject({ code: "replaced_store" });
    await pipeline.close();
    await expect(createPipeline({ database })).rejects.toMatchObject({ code: "replaced_store" });
    refused(() => openImage(database), StoreError, "replaced_store");
    const listed = spawn(process.execPath, [cli, "audit", "verify", "--db", database]);
    expect(await gather(listed).ended).toMatchObject({ code: 0 });
    rmSync(folder, { recursive: true });
  });
});

it.each([
  ["its own end", "", 0, ""],
  ["an exit code", "process.exitCode = 3;", 3, ""],
  ["an exit code of a listener", "process.once('exit', () => { process.exitCode = 7; });", 7, ""],
  [
    "an error that nobody caught",
    "setTimeout(() => { throw new Error('why it ended'); });",
    1,
    "why it ended",
  ],
])("a process that leaves such a database to others keeps %s", async (_what, statement, code, said) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-taken-")));
  const database = JSON.stringify(join(folder, "log.db"));
  const index = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
  const program = `
    import { rmSync } from "node:fs";
    const { createPipeline } = await import(${index});
    ${statement.startsWith("process.once") ? statement : ""}
    const pipeline = await createPipeline({ database: ${database} });
    await pipeline.audit.emitEvent("x_note", {});
    rmSync(${database} + "-shm");
    await pipeline.close();
    ${statement.startsWith("process.once") ? "" : statement}`;
  const ended = await gather(spawn(process.execPath, ["--input-type=module", "-e", program])).ended;
  expect(ended).toMatchObject({ code, stderr: expect.stringContaining(said) as unknown });
  // Nobody moved it, and it is there for who opens the database next.
  expect(existsSync(join(folder, "log.db-wal"))).toBe(true);
  rmSync(folder, { recursive: true });
});

it("a database is not opened anew when its files were replaced a moment ago", () => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-reopen-"));
  const file = join(folder, "log.db");
  const driver = new SqliteDriver(file, { create: true });
  write(driver, numbered([{ event: "x_note" }]));
  renameSync(`${file}-shm`, `${file}-shm.aside`);
  refused(() => driver.reopen(), StoreError, "replaced_store");
  renameSync(`${file}-shm.aside`, `${file}-shm`);
  driver.reopen();
  expect(driver.eventsAfter(0)).toHaveLength(1);
  driver.close();
  rmSync(folder, { recursive: true });
});

it("a database that could not be opened anew after a failed write is opened the next time", () => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-reopen-"));
  const file = join(folder, "log.db");
  const driver = new SqliteDriver(file, { create: true });
  write(driver, numbered([{ event: "x_note" }]));
  const setId = (id: number) => {
    const db = new Database(file);
    db.pragma(`application_id = ${id}`);
    db.close();
  };
  // For a moment it is somebody else's.
  setId(1);
  for (let n = 0; n < 2; n++) refused(() => driver.reopen(), StoreError, "not_a_store");
  setId(applicationId);
  driver.reopen();
  expect(driver.eventsAfter(0)).toHaveLength(1);
  write(driver, numbered([{ event: "x_note" }, { event: "x_note" }]).slice(1));
  driver.close();
  expect(existsSync(`${file}-wal`)).toBe(false);
  rmSync(folder, { recursive: true });
});
