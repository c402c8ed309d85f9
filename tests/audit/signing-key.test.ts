/** The key beside a database: made whole, once, or not at all. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileSigner } from "../../src/core/signing-key.js";
import { StoreError } from "../../src/model/errors.js";
import { folder } from "../cli/invoke.js";

test("is there with its mode, and nothing beside it; whoever comes second uses it", () => {
  const cwd = folder();
  const path = join(cwd, "log.db.key");
  const made = fileSigner(path, "n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(path).nlink).toBe(1);
  expect(readdirSync(cwd)).toEqual(["log.db.key"]);
  const bytes = readFileSync(path);
  expect(fileSigner(path, "n").publicKey).toEqual(made.publicKey);
  expect(readFileSync(path)).toEqual(bytes);
});

test("what a crash left of one that was never whole is in nobody's way", () => {
  const cwd = folder();
  const path = join(cwd, "log.db.key");
  writeFileSync(`${path}.6e9b1c1e-0000-4000-8000-000000000000`, "-----BEGIN PRIV", { mode: 0o600 });
  expect(fileSigner(path, "n").publicKey).toHaveLength(32);
});

test("a folder in its place is refused, and no draft is left behind", () => {
  const cwd = folder();
  const path = join(cwd, "log.db.key");
  mkdirSync(path, { mode: 0o700 });
  expect(() => fileSigner(path, "n")).toThrow(StoreError);
  expect(readdirSync(cwd)).toEqual(["log.db.key"]);
});
