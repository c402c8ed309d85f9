import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { bestEffortConfinement } from "../../src/actions/handles/fs-best-effort.js";
import { createConfinedFsHandle } from "../../src/actions/handles/fs.js";
import type { FsHandle, ProtectedFiles } from "../../src/core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import type { FsWorld } from "./fixtures/fs-world.js";
import {
  createWorld,
  everythingBelow,
  expectRefusal,
  nothingProtected,
  tryRun,
} from "./fixtures/fs-world.js";
import { createTestGate } from "./test-gate.js";

function openWeak(world: FsWorld, protectedFiles: ProtectedFiles = nothingProtected): FsHandle {
  const gate = createTestGate({ grants: everythingBelow(world.workspace) });
  return createConfinedFsHandle(bestEffortConfinement, gate, { protectedFiles });
}

describe("the weaker mode of other platforms still holds against what lies about (H3)", () => {
  test("reads, writes, lists and deletes", async () => {
    const world = createWorld();
    const fs = openWeak(world);
    const path = join(world.workspace, "a", "b", "file");
    expect(await fs.write(path, "new")).toEqual({ bytes_written: 3 });
    expect(await fs.write(path, "newer")).toEqual({ bytes_written: 5 });
    expect(await fs.read(path)).toEqual({ text: "newer" });
    expect(await fs.list(join(world.workspace, "a"))).toEqual({
      entries: [{ name: "b", type: "folder" }],
      unreadable_names: 0,
    });
    await expectRefusal(fs.delete(join(world.workspace, "a")), EffectFailedError, "folder_not_empty");
    expect(await fs.delete(path)).toEqual({ deleted: true });
    expect(readdirSync(join(world.workspace, "a", "b"))).toEqual([]);
  });

  test("symlinks to outside", async () => {
    const world = createWorld();
    writeFileSync(join(world.outside, "file"), "kept");
    symlinkSync(world.outside, join(world.workspace, "sub"));
    symlinkSync(join(world.outside, "file"), join(world.workspace, "link"));
    const fs = openWeak(world);
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
    await expectRefusal(
      fs.read(join(world.workspace, "sub", "file")),
      EffectDeniedError,
      "outside_authority",
    );
    await expectRefusal(fs.list(join(world.workspace, "sub")), EffectDeniedError, "outside_authority");
    await expectRefusal(
      fs.write(join(world.workspace, "sub", "file"), "x"),
      EffectDeniedError,
      "outside_authority",
    );
    await expectRefusal(
      fs.write(join(world.workspace, "sub", "a", "b"), "x"),
      EffectDeniedError,
      "outside_authority",
    );
    await expectRefusal(
      fs.delete(join(world.workspace, "sub", "file")),
      EffectDeniedError,
      "outside_authority",
    );
    await fs.write(join(world.workspace, "link"), "replaced");
    expect(lstatSync(join(world.workspace, "link")).isFile()).toBe(true);
    expect(readFileSync(join(world.outside, "file"), "utf8")).toBe("kept");
    expect(readdirSync(world.outside)).toEqual(["file"]);
  });

  test("FIFOs, folders, files in the way, dangling symlinks", async () => {
    const world = createWorld();
    const at = (name: string): string => join(world.workspace, name);
    expect(tryRun("mkfifo", at("fifo"))).toBe(true);
    mkdirSync(at("folder"));
    writeFileSync(at("file"), "");
    symlinkSync(join(world.outside, "made"), at("dangling"));
    const fs = openWeak(world);
    await expectRefusal(fs.read(at("fifo")), EffectDeniedError, "special_file");
    await expectRefusal(fs.write(at("fifo"), "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.read(at("folder")), EffectFailedError, "not_a_file");
    await expectRefusal(fs.write(at("folder"), "x"), EffectFailedError, "exists_as_folder");
    await expectRefusal(fs.list(at("file")), EffectFailedError, "not_a_folder");
    await expectRefusal(fs.write(at("dangling/x"), "x"), EffectFailedError, "not_a_folder");
    expect(existsSync(join(world.outside, "made"))).toBe(false);
  });

  test("a file or folder replaced between check and use, when it is seen", async () => {
    const world = createWorld();
    const path = join(world.workspace, "sub", "file");
    mkdirSync(join(world.workspace, "sub"));
    writeFileSync(path, "first");
    writeFileSync(`${path}.other`, "second");
    const replaceFile = openWeak(world, {
      covers: () => {
        renameSync(`${path}.other`, path);
        return false;
      },
    });
    await expectRefusal(replaceFile.read(path), EffectFailedError, "folder_moved");
    const moveFolder = openWeak(world, {
      covers: () => {
        renameSync(join(world.workspace, "sub"), join(world.workspace, "elsewhere"));
        mkdirSync(join(world.workspace, "sub"));
        return false;
      },
    });
    await expectRefusal(moveFolder.delete(path), EffectFailedError, "folder_moved");
    expect(readFileSync(join(world.workspace, "elsewhere", "file"), "utf8")).toBe("second");
  });
});
