import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LogVerdict, verifyLog } from "../../src/audit/verify-log.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import { createPipeline } from "../../src/index.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { StoreFiles } from "../../src/stores/sqlite/file-identity.js";
import { openImage } from "../../src/stores/sqlite/image.js";
import { WalMover } from "../../src/stores/sqlite/wal-mover.js";
import { append, begin } from "./contract-writing.js";
import { gather, startRunner } from "./fixtures/process.js";

/*
 * Pages go from the write-ahead log into the database beside the thread that writes. Whatever happens meanwhile, what
 * was committed is there, and a database that was closed is one file.
 */

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "synapse-wal-"));
  file = join(folder, "log.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

let written = 0;
beforeEach(() => (written = 0));

/** Transactions of so many events, each of them a page and more. */
function write(driver: SqliteDriver, transactions: number, events: number): void {
  for (let n = 0; n < transactions; n++) {
    const tx = begin(driver);
    for (let m = 0; m < events; m++) {
      const seq = ++written;
      const common = { timestamp: "2026-01-01T00:00:00.000Z", protocol_version: "1.0" };
      append(tx, { event: "x_large", id: `evt-${seq}`, seq, text: "x".repeat(4_000), ...common });
    }
    tx.commit();
  }
}

/** Pages that are in the write-ahead log, and how many of them the database has. */
function wal(): { readonly log: number; readonly checkpointed: number } {
  const db = new Database(file);
  try {
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    const [state] = db.pragma("wal_checkpoint(NOOP)") as { log: number; checkpointed: number }[];
    if (state === undefined) throw new Error("SQLite says nothing of its log");
    return state;
  } finally {
    db.close();
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !isTrue();) {
    if (performance.now() > end) throw new Error("it did not come to pass in 20 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function expectWhole(): void {
  const driver = new SqliteDriver(file, { create: false });
  expect(driver.eventsAfter(0).map(({ seq }) => seq)).toEqual(
    Array.from({ length: written }, (_, n) => n + 1),
  );
  expect(driver.treeHead().size).toBe(written);
  driver.close();
}

async function problems(): Promise<LogVerdict["problems"]> {
  const image = openImage(file);
  try {
    return (await verifyLog(image, { ownKey: publicKeyBeside(`${file}.key`) })).problems;
  } finally {
    image.close();
  }
}

describe("while many write", () => {
  it("pages are moved without the writer, and what it wrote meanwhile is moved too", async () => {
    const driver = new SqliteDriver(file, { create: true });
    write(driver, 20, 64);
    const before = wal();
    expect(before).toMatchObject({ checkpointed: 0 });
    expect(before.log).toBeGreaterThan(1_000);
    // The thread needs nothing of this one but that it lets go for a moment.
    await until(() => wal().checkpointed > 1_000);
    // All of it is moved, so that what follows begins a new one, and is moved in its turn.
    write(driver, 30, 64);
    await until(() => wal().log === wal().checkpointed);
    driver.close();
    expectWhole();
  });

  it("the write-ahead log does not grow with the log", async () => {
    const driver = new SqliteDriver(file, { create: true });
    let most = 0;
    for (let n = 0; n < 40; n++) {
      write(driver, 8, 64);
      await new Promise((resolve) => setTimeout(resolve, 10));
      most = Math.max(most, wal().log);
    }
    expect(written).toBeGreaterThan(20_000);
    expect(most).toBeLessThan(10_000);
    driver.close();
    expectWhole();
  });

  it("somebody who reads keeps nobody from writing, and pages are moved when he has done", async () => {
    const driver = new SqliteDriver(file, { create: true });
    write(driver, 1, 1);
    const reader = new Database(file, { readonly: true });
    const count = reader.prepare("SELECT count(*) FROM events").pluck();
    reader.exec("BEGIN");
    expect(count.get()).toBe(1);
    write(driver, 40, 64);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(count.get()).toBe(1);
    reader.exec("COMMIT");
    reader.close();
    write(driver, 20, 64);
    await until(() => wal().log === wal().checkpointed);
    driver.close();
    expectWhole();
  });
});

it("a lone caller's pages are moved by the commit that brings the tables along", () => {
  const driver = new SqliteDriver(file, { create: true });
  write(driver, 1_100, 1);
  // What is there was appended since: each transaction writes two pages and more.
  expect(wal().log).toBeLessThan(1_000);
  driver.close();
  expectWhole();
});

describe("a database that is closed", () => {
  it.each([0, 1, 5, 20, 60, 150])("is one file, %i ms after pages began to be moved", async (ms) => {
    const driver = new SqliteDriver(file, { create: true });
    write(driver, 20, 64);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    driver.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
    expect(existsSync(`${file}-shm`)).toBe(false);
    expectWhole();
  });

  it("verifies, after it was closed and opened while it was written", async () => {
    for (let n = 0; n < 5; n++) {
      const driver = new SqliteDriver(file, { create: true });
      write(driver, 18, 64);
      await new Promise((resolve) => setTimeout(resolve, n * 15));
      driver.close();
    }
    expect(await problems()).toEqual([]);
  });
});

it("a process that is killed while pages are moved leaves a log that verifies, and opens", async () => {
  const pipeline = await createPipeline({ database: file });
  await pipeline.capabilityManager.issue({ capability: "crm:update", issuedBy: "operator" });
  await pipeline.bindingManager.bind({ agentId: "a", capability: "crm:update:k0", createdBy: "operator" });
  await pipeline.close();
  for (let round = 0; round < 6; round++) {
    const size = statSync(file).size;
    const killer = new AbortController();
    const options = { signal: killer.signal, killSignal: "SIGKILL" as const };
    const report = startRunner({ database: file, how: "times", times: 6_000 }, options).report();
    const ended = report.then(
      () => "done",
      () => "killed",
    );
    // The database grows when pages are moved into it, and by nothing else.
    await until(() => statSync(file).size > size);
    killer.abort();
    expect(await ended).toBe("killed");
    expect(await problems()).toEqual([]);
    const driver = new SqliteDriver(file, { create: false });
    expect(driver.eventsAfter(0)).toHaveLength(driver.treeHead().size);
    driver.close();
  }
});

/** A log whose pages nobody moved, as a killed process leaves it, and how many there are. */
function abandoned(rows: number): string {
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 0");
  db.exec("CREATE TABLE t (x)");
  const put = db.prepare("INSERT INTO t VALUES (zeroblob(5000))");
  for (let n = 0; n < rows; n++) put.run();
  const copy = join(folder, "copy.db");
  for (const suffix of ["", "-wal"]) copyFileSync(file + suffix, copy + suffix);
  db.close();
  return copy;
}

function waitingIn(path: string): number {
  const db = new Database(path);
  try {
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    const [state] = db.pragma("wal_checkpoint(NOOP)") as { log: number; checkpointed: number }[];
    return state === undefined ? NaN : state.log - state.checkpointed;
  } finally {
    db.close();
  }
}

describe("the thread itself", () => {
  it("moves the pages before it says so, and has no connection then", async () => {
    const path = abandoned(500);
    // One that stays open, so that no other one is the last.
    const open = new Database(path);
    open.prepare("SELECT count(*) FROM sqlite_schema").get();
    expect(waitingIn(path)).toBeGreaterThan(500);
    const mover = await new Promise<WalMover>((resolve) => {
      const started: WalMover = new WalMover(new StoreFiles(path), () => resolve(started));
      started.start();
    });
    expect(waitingIn(path)).toBe(0);
    mover.stop(0);
    open.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  it("is waited for by who closes, in the middle of its work", () => {
    const { mover, path, open } = atWork();
    mover.stop(10_000);
    expect(mover.working).toBe(false);
    open.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  it("is not waited for by who has no time, nor once it was told to end", { timeout: 30_000 }, () => {
    const { mover, open } = atWork();
    mover.stop(0);
    expect(mover.working).toBe(true);
    // It ends without saying so: whoever waited would wait for a minute.
    mover.stop(60_000);
    expect(mover.working).toBe(true);
    open.close();
  });
});

/** A thread that was met in the middle of its work, and a connection that is open meanwhile. */
function atWork(): { readonly mover: WalMover; readonly path: string; readonly open: Database.Database } {
  for (let attempt = 0; attempt < 10; attempt++) {
    const path = abandoned(4_000);
    const open = new Database(path);
    open.prepare("SELECT count(*) FROM sqlite_schema").get();
    const mover = new WalMover(new StoreFiles(path), () => undefined);
    mover.start();
    // Without giving way to anything: it works for some ten milliseconds.
    for (const end = performance.now() + 2_000; performance.now() < end;)
      if (mover.working) return { mover, path, open };
    mover.stop(0);
    open.close();
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
  }
  throw new Error("the thread was never met at work");
}

/** A file that is not the one at this path. */
function another(path: string): StoreFiles {
  return new StoreFiles(path, { path, dev: 1n, ino: 1n });
}

describe("a thread that cannot work", () => {
  it("leaves a file alone that took the place of the one that was opened", async () => {
    const other = abandoned(100);
    const before = readFileSync(other);
    const finished = new Promise<void>((resolve) => {
      const mover = new WalMover(another(other), resolve);
      mover.start();
    });
    await finished;
    expect(readFileSync(other).equals(before)).toBe(true);
    expect(existsSync(`${other}-wal`)).toBe(true);
  });

  it.each(["-wal", "-shm"])("leaves a database alone whose `%s` file is another by now", async (suffix) => {
    const path = abandoned(500);
    const open = new Database(path);
    open.prepare("SELECT count(*) FROM sqlite_schema").get();
    const files = new StoreFiles(path);
    copyFileSync(path + suffix, `${path}.copy`);
    renameSync(`${path}.copy`, path + suffix);
    const before = readFileSync(path);
    await new Promise<void>((resolve) => new WalMover(files, resolve).start());
    expect(readFileSync(path).equals(before)).toBe(true);
    open.close();
  });

  it("is asked once: from then on the calling thread does it at once", async () => {
    const gone = join(folder, "gone.db");
    let calls = 0;
    const told: (() => void)[] = [];
    const mover = new WalMover(another(gone), () => {
      calls++;
      for (const tell of told) tell();
    });
    const first = new Promise<void>((resolve) => told.push(resolve));
    mover.start();
    expect(calls).toBe(0);
    await first;
    mover.start();
    expect(calls).toBe(2);
    expect(existsSync(gone)).toBe(false);
  });

  it("has nothing to say to a database that is closed", async () => {
    const other = abandoned(100);
    let calls = 0;
    const mover = new WalMover(new StoreFiles(other), () => calls++);
    mover.start();
    mover.stop(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls).toBe(0);
  });

  it("because there is none to be had: what was committed is not said to have failed", async () => {
    // Node's permission model gives none; nor does a system that has no more.
    const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "" : "experimental-";
    const flags = [`--${permission}permission`, "--allow-fs-read=*", "--allow-fs-write=*", "--allow-addons"];
    const program = `
      const { createPipeline } = await import(${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)});
      const pipeline = await createPipeline({ database: ${JSON.stringify(file)} });
      const text = "x".repeat(3000);
      const ends = await Promise.allSettled(
        Array.from({ length: 2500 }, () => pipeline.audit.emitEvent("x_large", { text })));
      console.log(ends.filter(({ status }) => status === "fulfilled").length);
      await pipeline.close();`;
    const child = spawn(process.execPath, [...flags, "--input-type=module", "-e", program]);
    const { code, stdout, stderr } = await gather(child).ended;
    expect([code, stdout], stderr).toEqual([0, "2500\n"]);
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
