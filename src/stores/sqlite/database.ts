import { chmodSync, existsSync, mkdirSync, openSync, closeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "../../model/errors.js";
import { assertNotOvertaken } from "./abandoned.js";
import { applicationId, migrations, schema, schemaVersion } from "./schema.js";

export type Connection = Database.Database;

/**
 * Opens or creates the database: files 0600, the folder made for it 0700, write-ahead log,
 * `synchronous=FULL` so that a commit that returned survives loss of power (SEMANTICS E4, H2).
 *
 * @throws StoreError `not_a_store`, `newer_store`, `missing_store`, `cannot_open`; `replaced_store` when this process has
 *   a connection to it by other files.
 */
export function openDatabase(location: string, options: { readonly create: boolean }): Connection {
  const inMemory = location === ":memory:";
  const path = inMemory ? location : resolve(location);
  if (!inMemory) prepareFile(path, options.create);
  if (!inMemory) assertNotOvertaken(path);
  let db: Connection | undefined;
  try {
    db = new Database(path, { timeout: 0 });
    const opened = db;
    opened.pragma("trusted_schema = OFF");
    // Asked before anything is written: a database of something else stays as it is, its journal mode too.
    const version = versionOf(opened, path);
    if (!inMemory) whenFree(() => opened.pragma("journal_mode = WAL"));
    opened.pragma("synchronous = FULL");
    opened.pragma("secure_delete = ON");
    if (version !== schemaVersion) migrate(opened, path);
    return opened;
  } catch (error) {
    db?.close();
    if (error instanceof StoreError) throw error;
    throw isForeign(error) ? notOurs(path) : cannotOpen(path, error);
  }
}

function prepareFile(path: string, create: boolean): void {
  if (existsSync(path)) return;
  if (!create) throw missingStore(path);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Made by us with its mode before SQLite opens it: the umask must not decide who reads the log.
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
  } catch (error) {
    throw cannotOpen(path, error);
  }
}

/** Makes the schema, or brings that of an older version up to date: all of it, or nothing. */
function migrate(db: Connection, path: string): void {
  // Two processes may create the same database: the one that comes second finds it made.
  whenFree(() =>
    db
      .transaction(() => {
        const version = versionOf(db, path);
        if (version === 0) db.exec(schema);
        else for (const step of migrations.slice(version - 1)) db.exec(step);
        db.pragma(`application_id = ${applicationId}`);
        db.pragma(`user_version = ${schemaVersion}`);
      })
      .immediate(),
  );
}

function versionOf(db: Connection, path: string): number {
  // Of one moment: between two reads another process may have made the whole schema.
  const { application, version, tables } = whenFree(() =>
    db
      .transaction(() => ({
        application: db.pragma("application_id", { simple: true }) as number,
        version: db.pragma("user_version", { simple: true }) as number,
        tables: db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() as number,
      }))
      .deferred(),
  );
  if (tables === 0 && application === 0) return 0;
  if (application !== applicationId) {
    throw notOurs(path);
  }
  if (version > schemaVersion) {
    throw new StoreError("newer_store", `\`${path}\` was written by a newer version of synapse`, {
      hint: "update synapse-pipeline to open it",
    });
  }
  return version;
}

/** Opening is rare and short, so it may block: tries for two seconds while another process holds the file. */
function whenFree<T>(attempt: () => T): T {
  const until = performance.now() + 2_000;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
}

/** Whether the database says that it is broken, and not that something around it failed. */
export function isDamage(error: unknown): error is Error {
  return error instanceof Database.SqliteError && isDamageCode(error.code);
}

export function isDamageCode(code: string): boolean {
  // `SQLITE_ERROR` and `SQLITE_MISMATCH`: a table or column is not what the schema says.
  return /^SQLITE_(NOTADB|CORRUPT|ERROR|MISMATCH|IOERR_SHORT_READ|FORMAT)/.test(code);
}

export function missingStore(path: string): StoreError {
  return new StoreError("missing_store", `there is no database at \`${path}\``, {
    hint: "name one with --db or SYNAPSE_DB; `synapse init` or any command that writes makes one",
  });
}

function isForeign(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code === "SQLITE_NOTADB";
}

function notOurs(path: string): StoreError {
  return new StoreError("not_a_store", `\`${path}\` is a file of something else`, {
    hint: "name another file with --db",
  });
}

function cannotOpen(path: string, cause: unknown): StoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("cannot_open", `the database \`${path}\` cannot be opened: ${why}`, {
    hint: "check that the folder exists, can be written, and is not full",
    cause,
  });
}
