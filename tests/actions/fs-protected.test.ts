import Database from "better-sqlite3";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import type { ProtectedFilesOptions } from "../../src/actions/handles/protected-files.js";
import { createProtectedFiles } from "../../src/actions/handles/protected-files.js";
import { EffectDeniedError } from "../../src/model/errors.js";
import type { FsWorld } from "./fixtures/fs-world.js";
import { afterThisTest, createWorld, expectRefusal, openHandle } from "./fixtures/fs-world.js";

const EVERYTHING = ["fs:read:/**", "fs:write:/**", "fs:list:/**", "fs:delete:/**"];

function openProtected(world: FsWorld, options: ProtectedFilesOptions) {
  const protectedFiles = createProtectedFiles(options);
  afterThisTest(() => protectedFiles.close());
  return openHandle(world, { grants: EVERYTHING, protectedFiles }).fs;
}

/** Nothing for the descriptor that listed the folder and is closed by now. */
function readlinkOrNothing(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? "" : readlinkSync(path);
}

describe("no handle reaches the pipeline's own files, whatever it was granted (H2)", () => {
  test("a key, by its path, a symlink and a hard link", async () => {
    const world = createWorld();
    const key = join(world.workspace, "signing.key");
    writeFileSync(key, "secret");
    linkSync(key, join(world.workspace, "hard"));
    symlinkSync(key, join(world.workspace, "soft"));
    const fs = openProtected(world, { files: [key] });
    await expectRefusal(fs.read(key), EffectDeniedError, "protected_file");
    await expectRefusal(fs.read(join(world.workspace, "hard")), EffectDeniedError, "protected_file");
    await expectRefusal(fs.read(join(world.workspace, "soft")), EffectDeniedError, "protected_file");
    for (const name of ["signing.key", "hard"]) {
      await expectRefusal(fs.write(join(world.workspace, name), "x"), EffectDeniedError, "protected_file");
      await expectRefusal(fs.delete(join(world.workspace, name)), EffectDeniedError, "protected_file");
    }
    expect(readFileSync(key, "utf8")).toBe("secret");
  });

  test("a symlink to it is replaced as a symlink, the file untouched", async () => {
    const world = createWorld();
    const key = join(world.outside, "key");
    writeFileSync(key, "secret");
    symlinkSync(key, join(world.workspace, "soft"));
    const fs = openProtected(world, { files: [key] });
    await fs.write(join(world.workspace, "soft"), "x");
    expect(readFileSync(key, "utf8")).toBe("secret");
  });

  test("under a new name, and what has taken its place", async () => {
    const world = createWorld();
    const policy = join(world.workspace, "policy.yaml");
    writeFileSync(policy, "first");
    const fs = openProtected(world, { files: [policy] });
    renameSync(policy, join(world.workspace, "renamed"));
    await expectRefusal(fs.read(join(world.workspace, "renamed")), EffectDeniedError, "protected_file");
    writeFileSync(policy, "second");
    linkSync(policy, join(world.workspace, "linked"));
    await expectRefusal(fs.read(join(world.workspace, "linked")), EffectDeniedError, "protected_file");
    await expectRefusal(fs.read(join(world.workspace, "renamed")), EffectDeniedError, "protected_file");
  });

  test("a file configured through a symlink: the link and what it leads to", async () => {
    const world = createWorld();
    const real = join(world.workspace, "real");
    const link = join(world.workspace, "link");
    writeFileSync(real, "secret");
    symlinkSync(real, link);
    const fs = openProtected(world, { files: [link] });
    await expectRefusal(fs.read(real), EffectDeniedError, "protected_file");
    await expectRefusal(fs.write(real, "x"), EffectDeniedError, "protected_file");
    await expectRefusal(fs.write(link, "x"), EffectDeniedError, "protected_file");
    await expectRefusal(fs.delete(link), EffectDeniedError, "protected_file");
  });

  test("a file that is yet to come may not be planted", async () => {
    const world = createWorld();
    const key = join(world.workspace, "later.key");
    const fs = openProtected(world, { files: [key] });
    await expectRefusal(fs.write(key, "planted"), EffectDeniedError, "protected_file");
    await expectRefusal(fs.write(join(key, "as", "folder"), "planted"), EffectDeniedError, "protected_file");
    writeFileSync(key, "real");
    linkSync(key, join(world.workspace, "hard"));
    await expectRefusal(fs.read(join(world.workspace, "hard")), EffectDeniedError, "protected_file");
  });

  test("a database with its -wal, -shm and -journal, while it is in use, whose locks survive the checks", async () => {
    const world = createWorld();
    const path = join(world.workspace, "store.db");
    const database = new Database(path);
    afterThisTest(() => database.close());
    database.pragma("journal_mode = wal");
    database.exec("create table t (x); begin immediate; insert into t values (1)");
    const fs = openProtected(world, { files: [], databases: [path] });
    linkSync(`${path}-wal`, join(world.workspace, "wal"));
    for (const name of ["store.db", "store.db-wal", "store.db-shm", "wal"]) {
      await expectRefusal(fs.read(join(world.workspace, name)), EffectDeniedError, "protected_file");
      await expectRefusal(fs.delete(join(world.workspace, name)), EffectDeniedError, "protected_file");
    }
    await expectRefusal(fs.write(`${path}-journal`, "hot"), EffectDeniedError, "protected_file");
    database.exec("commit");
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
  });

  test("the folder that merely holds it is not protected, and names it", async () => {
    const world = createWorld();
    const key = join(world.workspace, "key");
    writeFileSync(key, "secret");
    const fs = openProtected(world, { files: [key] });
    expect((await fs.list(world.workspace)).entries).toEqual([{ name: "key", type: "file" }]);
    await fs.write(join(world.workspace, "neighbour"), "x");
    expect(await fs.read(join(world.workspace, "neighbour"))).toEqual({ text: "x" });
  });

  test.runIf(process.platform === "linux")("a file that is gone for good is not held open", async () => {
    const world = createWorld();
    const wal = join(world.workspace, "store.db-wal");
    const held = (): string[] =>
      readdirSync("/proc/self/fd").flatMap((descriptor) => {
        const link = readlinkOrNothing(`/proc/self/fd/${descriptor}`);
        return link.startsWith(wal) ? [link] : [];
      });
    writeFileSync(wal, "wal");
    const fs = openProtected(world, { files: [], databases: [join(world.workspace, "store.db")] });
    expect(held()).toEqual([wal]);
    rmSync(wal);
    await fs.write(join(world.workspace, "a"), "x");
    await fs.read(join(world.workspace, "a"));
    expect(held()).toEqual([]);
  });

  test("a stranger's file with the inode number of a removed one is not mistaken for it", async () => {
    const world = createWorld();
    const wal = join(world.workspace, "store.db-wal");
    writeFileSync(wal, "wal");
    const fs = openProtected(world, { files: [], databases: [join(world.workspace, "store.db")] });
    rmSync(wal);
    for (let i = 0; i < 50; i += 1) {
      writeFileSync(join(world.workspace, `file${i}`), String(i));
      expect(await fs.read(join(world.workspace, `file${i}`))).toEqual({ text: String(i) });
    }
  });
});

describe("nothing under a folder named .synapse is reached (H2)", () => {
  test("read, write, list, delete, in any case of its name", async () => {
    const world = createWorld();
    for (const name of [".synapse", ".Synapse"]) {
      const own = join(world.workspace, name);
      mkdirSync(own);
      writeFileSync(join(own, "file"), "own");
      const fs = openProtected(world, { files: [] });
      await expectRefusal(fs.read(join(own, "file")), EffectDeniedError, "protected_file");
      await expectRefusal(fs.write(join(own, "file"), "x"), EffectDeniedError, "protected_file");
      await expectRefusal(fs.write(join(own, "new"), "x"), EffectDeniedError, "protected_file");
      await expectRefusal(fs.list(own), EffectDeniedError, "protected_file");
      await expectRefusal(fs.delete(join(own, "file")), EffectDeniedError, "protected_file");
      await expectRefusal(fs.delete(own), EffectDeniedError, "protected_file");
      expect(readFileSync(join(own, "file"), "utf8")).toBe("own");
    }
  });

  test("nor is one made, as a folder on the way or as a file", async () => {
    const world = createWorld();
    const fs = openProtected(world, { files: [] });
    await expectRefusal(
      fs.write(join(world.workspace, "a", ".synapse", "b"), "x"),
      EffectDeniedError,
      "protected_file",
    );
    await expectRefusal(
      fs.write(join(world.workspace, ".synapse"), "x"),
      EffectDeniedError,
      "protected_file",
    );
    expect(existsSync(join(world.workspace, "a"))).toBe(false);
  });

  test("nor through a symlink with a harmless name", async () => {
    const world = createWorld();
    const own = join(world.workspace, ".synapse");
    mkdirSync(own);
    writeFileSync(join(own, "file"), "own");
    symlinkSync(own, join(world.workspace, "harmless"));
    const fs = openProtected(world, { files: [] });
    await expectRefusal(
      fs.read(join(world.workspace, "harmless", "file")),
      EffectDeniedError,
      "protected_file",
    );
    await expectRefusal(
      fs.write(join(world.workspace, "harmless", "new"), "x"),
      EffectDeniedError,
      "protected_file",
    );
  });

  test("names that only begin alike are ordinary", async () => {
    const world = createWorld();
    const fs = openProtected(world, { files: [] });
    await fs.write(join(world.workspace, ".synapse-notes", "a"), "x");
    expect(await fs.read(join(world.workspace, ".synapse-notes", "a"))).toEqual({ text: "x" });
  });
});
