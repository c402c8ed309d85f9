import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import type { FsWorld } from "./fixtures/fs-world.js";
import {
  afterThisTest,
  createWorld,
  expectRefusal,
  isRoot,
  openHandle,
  tryRun,
} from "./fixtures/fs-world.js";

const EVERYTHING = ["fs:read:/**", "fs:write:/**", "fs:list:/**", "fs:delete:/**"];

function openEverything(world: FsWorld) {
  return openHandle(world, { grants: EVERYTHING }).fs;
}

describe.runIf(process.platform === "linux")("with authority over every path, these stay closed (H3)", () => {
  test("FIFOs, many at once: refused at once, and files are still served", async () => {
    const world = createWorld();
    const fs = openEverything(world);
    const fifos = Array.from({ length: 16 }, (_, i) => join(world.workspace, `fifo${i}`));
    expect(tryRun("mkfifo", ...fifos)).toBe(true);
    await Promise.all(fifos.map((path) => expectRefusal(fs.read(path), EffectDeniedError, "special_file")));
    await Promise.all(
      fifos.map((path) => expectRefusal(fs.write(path, "x"), EffectDeniedError, "special_file")),
    );
    await Promise.all(fifos.map((path) => expectRefusal(fs.delete(path), EffectDeniedError, "special_file")));
    await Promise.all(fifos.map((path) => expectRefusal(fs.list(path), EffectFailedError, "not_a_folder")));
    expect(fifos.every((path) => lstatSync(path).isFIFO())).toBe(true);
    writeFileSync(join(world.workspace, "file"), "served");
    expect(await fs.read(join(world.workspace, "file"))).toEqual({ text: "served" });
  });

  test("a socket", async () => {
    const world = createWorld();
    const path = join(world.workspace, "socket");
    const server = createServer().listen(path);
    await once(server, "listening");
    afterThisTest(() => server.close());
    const fs = openEverything(world);
    await expectRefusal(fs.read(path), EffectDeniedError, "special_file");
    await expectRefusal(fs.write(path, "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.delete(path), EffectDeniedError, "special_file");
  });

  test("device nodes, in /dev and made elsewhere", async (context) => {
    const world = createWorld();
    const fs = openEverything(world);
    await expectRefusal(fs.read("/dev/null"), EffectDeniedError, "special_file");
    await expectRefusal(fs.write("/dev/null", "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.write("/dev/shm/fs-handle-test", "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.write("/dev/fs-handle-test/deep/file", "x"), EffectDeniedError, "special_file");
    symlinkSync("/dev/zero", join(world.workspace, "zero"));
    await expectRefusal(fs.read(join(world.workspace, "zero")), EffectDeniedError, "special_file");
    const made = join(world.workspace, "device");
    if (!tryRun("mknod", made, "c", "1", "5")) context.skip("mknod needs root");
    await expectRefusal(fs.read(made), EffectDeniedError, "special_file");
    await expectRefusal(fs.write(made, "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.delete(made), EffectDeniedError, "special_file");
  });

  test.each(["/proc/self/environ", "/proc/version", "/proc/self/maps", "/sys/kernel/uevent_seqnum"])(
    "the kernel's %s",
    async (path) => {
      await expectRefusal(openEverything(createWorld()).read(path), EffectDeniedError, "special_file");
    },
  );

  test("writing, listing and deleting in /proc and /sys", async () => {
    const fs = openEverything(createWorld());
    await expectRefusal(fs.write("/proc/self/comm", "x"), EffectDeniedError, "special_file");
    await expectRefusal(fs.list("/proc/self"), EffectDeniedError, "special_file");
    await expectRefusal(fs.list("/sys"), EffectDeniedError, "special_file");
    await expectRefusal(fs.delete("/sys/kernel"), EffectDeniedError, "special_file");
  });

  test("procfs mounted under another name", async (context) => {
    if (!isRoot) context.skip("mounting needs root");
    const world = createWorld();
    const mount = join(world.workspace, "innocent");
    mkdirSync(mount);
    if (!tryRun("mount", "-t", "proc", "proc", mount)) context.skip("procfs cannot be mounted here");
    afterThisTest(() => expect(tryRun("umount", mount)).toBe(true));
    const fs = openEverything(world);
    await expectRefusal(fs.read(join(mount, "version")), EffectDeniedError, "special_file");
    await expectRefusal(fs.list(mount), EffectDeniedError, "special_file");
    await expectRefusal(fs.write(join(mount, "self", "comm"), "x"), EffectDeniedError, "special_file");
  });

  test("/proc/self/root is named by what it leads to, and only that counts", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world, { grants: [`fs:read:/proc/**`, `fs:read:${world.workspace}/**`] });
    await expectRefusal(fs.read("/proc/self/root/etc/passwd"), EffectDeniedError, "outside_authority");
    expect(gate.effects[0]?.reached).toEqual(["fs:read:/etc/passwd"]);
    writeFileSync(join(world.workspace, "mine"), "mine");
    expect(await fs.read(`/proc/self/root${world.workspace}/mine`)).toEqual({ text: "mine" });
    symlinkSync("/proc/self/root/etc/passwd", join(world.workspace, "link"));
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
  });

  test("a file of another mount namespace that the kernel names as if it were ours", async (context) => {
    if (!isRoot) context.skip("a mount namespace of its own needs root");
    const world = createWorld();
    const mount = join(world.workspace, "ns");
    mkdirSync(mount);
    writeFileSync(join(mount, "file"), "ours");
    const script = `mount -t tmpfs none "$1" && echo foreign > "$1/file" && echo ready && read -r _`;
    const child = spawn("unshare", ["--mount", "sh", "-c", script, "sh", mount], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    afterThisTest(() => child.stdin.end());
    const [first] = (await Promise.race([once(child.stdout, "data"), once(child, "close")])) as unknown[];
    if (String(first) !== "ready\n") context.skip("no mount namespace can be made here");
    symlinkSync(`/proc/${child.pid}/root${mount}/file`, join(world.workspace, "link"));
    const fs = openEverything(world);
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
    expect(await fs.read(join(mount, "file"))).toEqual({ text: "ours" });
  });

  test("a file that was unlinked while open, and the removed name of one that has another", async () => {
    const world = createWorld();
    const fs = openEverything(world);
    const path = join(world.workspace, "gone");
    const openUnlinked = (): number => {
      writeFileSync(path, "unlinked");
      const descriptor = openSync(path, "r");
      afterThisTest(() => closeSync(descriptor));
      return descriptor;
    };
    const first = openUnlinked();
    unlinkSync(path);
    await expectRefusal(fs.read(`/proc/self/fd/${first}`), EffectFailedError, "not_found");

    const second = openUnlinked();
    linkSync(path, join(world.outside, "elsewhere"));
    unlinkSync(path);
    // The kernel now gives `gone (deleted)` for it, which is a legal name of another file.
    writeFileSync(`${path} (deleted)`, "decoy");
    await expectRefusal(fs.read(`/proc/self/fd/${second}`), EffectDeniedError, "outside_authority");
    expect(await fs.read(`${path} (deleted)`)).toEqual({ text: "decoy" });
  });

  test("descriptors of this process that are no files: pipes and the like", async () => {
    const world = createWorld();
    const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
    afterThisTest(() => child.stdin.end());
    await expectRefusal(
      openEverything(world).read(`/proc/${child.pid}/fd/0`),
      EffectDeniedError,
      "special_file",
    );
  });
});
