import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { createWorld, expectRefusal, isRoot, openHandle, tryRun } from "./fixtures/fs-world.js";

describe("fs.list names the entries of a folder (H3)", () => {
  test("sorted by UTF-8 bytes, with the type of the entry itself; names that are not UTF-8 counted", async () => {
    const world = createWorld();
    const at = (name: string): string => join(world.workspace, name);
    for (const name of ["b", "B", "é", "\uffee", "𝔘", "a"]) writeFileSync(at(name), "");
    mkdirSync(at("folder"));
    symlinkSync(world.outside, at("link"));
    symlinkSync("nowhere", at("dangling"));
    expect(tryRun("mkfifo", at("fifo"))).toBe(true);
    writeFileSync(Buffer.concat([Buffer.from(`${world.workspace}/`), Buffer.from([0x80])]), "");
    const { fs, gate } = openHandle(world);
    const listing = await fs.list(world.workspace);
    expect(listing).toEqual({
      entries: [
        { name: "B", type: "file" },
        { name: "a", type: "file" },
        { name: "b", type: "file" },
        { name: "dangling", type: "symlink" },
        { name: "fifo", type: "other" },
        { name: "folder", type: "folder" },
        { name: "link", type: "symlink" },
        { name: "é", type: "file" },
        // UTF-16 would put the surrogates of the last one first.
        { name: "\uffee", type: "file" },
        { name: "𝔘", type: "file" },
      ],
      unreadable_names: 1,
    });
    expect(Object.isFrozen(listing) && Object.isFrozen(listing.entries)).toBe(true);
    expect(gate.effects).toMatchObject([
      { kind: "fs.list", outcome: "performed", request: { path: world.workspace } },
    ]);
  });

  test("an empty folder, and one with more entries than one system call gives", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    expect(await fs.list(world.workspace)).toEqual({ entries: [], unreadable_names: 0 });
    const names = Array.from({ length: 3000 }, (_, i) => `entry-${String(i).padStart(5, "0")}`);
    for (const name of names) writeFileSync(join(world.workspace, name), "");
    expect((await fs.list(world.workspace)).entries.map(({ name }) => name)).toEqual(names);
  });

  test("the root folder", async () => {
    const { fs } = openHandle(createWorld(), { grants: ["fs:list:/"] });
    expect((await fs.list("/")).entries).toContainEqual({ name: "etc", type: "folder" });
  });

  test("refused: outside, a symlink to outside, a file, nothing there", async () => {
    const world = createWorld();
    symlinkSync(world.outside, join(world.workspace, "link"));
    writeFileSync(join(world.workspace, "file"), "");
    const { fs } = openHandle(world);
    await expectRefusal(fs.list(world.outside), EffectDeniedError, "outside_authority");
    await expectRefusal(fs.list(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
    await expectRefusal(fs.list(join(world.workspace, "file")), EffectFailedError, "not_a_folder");
    await expectRefusal(fs.list(join(world.workspace, "nothing")), EffectFailedError, "not_found");
  });

  test("too_large: more than 100,000 entries", async (context) => {
    if (!isRoot) context.skip("made on a tmpfs, which needs root to mount");
    const world = createWorld();
    if (!tryRun("mount", "-t", "tmpfs", "tmpfs", world.workspace))
      context.skip("tmpfs cannot be mounted here");
    try {
      for (let i = 0; i <= 100_000; i += 1) mkdirSync(join(world.workspace, String(i)));
      await expectRefusal(openHandle(world).fs.list(world.workspace), EffectFailedError, "too_large");
    } finally {
      expect(tryRun("umount", world.workspace)).toBe(true);
    }
  });
});

describe("fs.delete removes one entry and never more (H3)", () => {
  test("a file, an empty folder, a symlink itself", async () => {
    const world = createWorld();
    const at = (name: string): string => join(world.workspace, name);
    writeFileSync(at("file"), "");
    mkdirSync(at("folder"));
    writeFileSync(join(world.outside, "kept"), "kept");
    symlinkSync(join(world.outside, "kept"), at("to-file"));
    symlinkSync(world.outside, at("to-folder"));
    symlinkSync("nowhere", at("dangling"));
    const { fs, gate } = openHandle(world);
    for (const name of ["file", "folder", "to-file", "to-folder", "dangling"]) {
      expect(await fs.delete(at(name))).toEqual({ deleted: true });
    }
    expect(readdirSync(world.workspace)).toEqual([]);
    expect(readFileSync(join(world.outside, "kept"), "utf8")).toBe("kept");
    expect(gate.effects.map(({ reached }) => reached[0])).toContain(`fs:delete:${at("to-file")}`);
  });

  test("folder_not_empty: nothing inside is touched", async () => {
    const world = createWorld();
    mkdirSync(join(world.workspace, "full"));
    writeFileSync(join(world.workspace, "full", "file"), "kept");
    const { fs } = openHandle(world);
    await expectRefusal(fs.delete(join(world.workspace, "full")), EffectFailedError, "folder_not_empty");
    expect(readFileSync(join(world.workspace, "full", "file"), "utf8")).toBe("kept");
  });

  test("a symlinked folder on the way leads outside", async () => {
    const world = createWorld();
    writeFileSync(join(world.outside, "kept"), "kept");
    symlinkSync(world.outside, join(world.workspace, "link"));
    const { fs } = openHandle(world);
    await expectRefusal(
      fs.delete(join(world.workspace, "link", "kept")),
      EffectDeniedError,
      "outside_authority",
    );
    expect(existsSync(join(world.outside, "kept"))).toBe(true);
  });

  test("nothing there, an asked path outside, the root", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    await expectRefusal(fs.delete(join(world.workspace, "nothing")), EffectFailedError, "not_found");
    await expectRefusal(fs.delete(join(world.workspace, "a", "b")), EffectFailedError, "not_found");
    await expectRefusal(fs.delete(join(world.outside, "a")), EffectDeniedError, "outside_authority");
    const all = openHandle(world, { grants: ["fs:delete:/**"] }).fs;
    await expectRefusal(all.delete("/"), EffectDeniedError, "special_file");
  });

  test("folder_moved: the folder was taken elsewhere after it was admitted", async () => {
    const world = createWorld();
    const folder = join(world.workspace, "sub");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "kept");
    const taken = join(world.outside, "taken");
    const move = {
      covers: () => {
        renameSync(folder, taken);
        return false;
      },
    };
    const { fs } = openHandle(world, { protectedFiles: move });
    await expectRefusal(fs.delete(join(folder, "file")), EffectFailedError, "folder_moved");
    expect(readFileSync(join(taken, "file"), "utf8")).toBe("kept");
  });
});
