import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { platformConfinement } from "../../src/actions/handles/fs-confinement.js";
import type { Confinement } from "../../src/actions/handles/fs-place.js";
import { createConfinedFsHandle } from "../../src/actions/handles/fs.js";
import type { EffectGate, FsHandle } from "../../src/core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import {
  createWorld,
  everythingBelow,
  expectRefusal,
  leftTemporaries,
  nothingProtected,
} from "./fixtures/fs-world.js";
import { createTestGate } from "./test-gate.js";

/**
 * The real confinement, but `strike` runs right after the folder was found to be where it was: the moment
 * between check and change that a racing process hits only by luck.
 */
function strikingAfterCheck(strike: () => void): Confinement {
  const real = platformConfinement();
  return {
    async open(path, how) {
      const place = await real.open(path, how);
      let struck = false;
      return {
        ...place,
        async locate() {
          const found = await place.locate();
          if (!struck) strike();
          struck = true;
          return found;
        },
      };
    },
  };
}

function prepare(): { fs: FsHandle; file: string; folder: string; taken: string; root: string } {
  const world = createWorld();
  const folder = join(world.workspace, "sub");
  const taken = join(world.outside, "taken");
  mkdirSync(folder);
  const gate = createTestGate({ grants: everythingBelow(world.workspace) });
  const confinement = strikingAfterCheck(() => renameSync(folder, taken));
  const fs = createConfinedFsHandle(confinement, gate, { protectedFiles: nothingProtected });
  return { fs, file: join(folder, "file"), folder, taken, root: world.root };
}

describe("a folder that is taken elsewhere between the last check and the change is noticed (H3)", () => {
  test("a new file is taken back", async () => {
    const { fs, file, taken } = prepare();
    await expectRefusal(fs.write(file, "new"), EffectFailedError, "folder_moved");
    expect(readdirSync(taken)).toEqual([]);
  });

  test("a replaced file cannot be, and that is said", async () => {
    const { fs, file, taken, root } = prepare();
    writeFileSync(file, "old");
    const attempt = fs.write(file, "new");
    await expect(attempt).rejects.toThrow("the new content went with it");
    await expectRefusal(attempt, EffectFailedError, "folder_moved");
    expect(readFileSync(join(taken, "file"), "utf8")).toBe("new");
    expect(leftTemporaries(root)).toEqual([]);
  });

  test("a deletion is reported", async () => {
    const { fs, file, taken } = prepare();
    writeFileSync(file, "old");
    await expectRefusal(fs.delete(file), EffectFailedError, "folder_moved");
    expect(readdirSync(taken)).toEqual([]);
  });

  test("a folder on the way that was made goes again, and nothing is made where it was", async () => {
    const { fs, folder, taken } = prepare();
    await expectRefusal(fs.write(join(folder, "a", "b", "file"), "new"), EffectFailedError, "folder_moved");
    expect(readdirSync(taken)).toEqual([]);
  });
});

test("authority that ends while the content is being written: the old file stays (D7)", async () => {
  const world = createWorld();
  const path = join(world.workspace, "file");
  writeFileSync(path, "old");
  const gate = createTestGate({ grants: everythingBelow(world.workspace) });
  let checks = 0;
  const ending: EffectGate = {
    ...gate,
    perform: (use, body) =>
      gate.perform(use, (grant) =>
        body({
          ...grant,
          reached(capability) {
            checks += 1;
            if (checks > 1) throw new EffectDeniedError("revoked_while_running", "the authority is gone");
            grant.reached(capability);
          },
        }),
      ),
  };
  const fs = createConfinedFsHandle(platformConfinement(), ending, { protectedFiles: nothingProtected });
  await expectRefusal(fs.write(path, "new"), EffectDeniedError, "revoked_while_running");
  expect(checks).toBe(2);
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(world.workspace)).toEqual(["file"]);
});
