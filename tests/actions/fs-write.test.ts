import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import type { JsonBytes } from "../../src/core/ports.js";
import {
  CapabilitySyntaxError,
  EffectDeniedError,
  EffectFailedError,
  InvalidDataError,
} from "../../src/model/errors.js";
import {
  afterThisTest,
  createWorld,
  everythingBelow,
  expectRefusal,
  isRoot,
  leftTemporaries,
  openHandle,
  tryRun,
} from "./fixtures/fs-world.js";

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777;
}

describe("fs.write puts exactly this content there (H3)", () => {
  test("text as UTF-8 and bytes as they are; the journal holds path and content", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world);
    const text = join(world.workspace, "text");
    const bytes = join(world.workspace, "bytes");
    expect(await fs.write(text, "\ufeffgrüße 𝔘\n")).toEqual({ bytes_written: 16 });
    expect(await fs.write(bytes, { $bytes: "//4A" })).toEqual({ bytes_written: 3 });
    expect(readFileSync(text, "utf8")).toBe("\ufeffgrüße 𝔘\n");
    expect(readFileSync(bytes)).toEqual(Buffer.from([0xff, 0xfe, 0]));
    expect(gate.effects.map(({ kind, outcome, request }) => ({ kind, outcome, request }))).toEqual([
      { kind: "fs.write", outcome: "performed", request: { path: text, content: "\ufeffgrüße 𝔘\n" } },
      { kind: "fs.write", outcome: "performed", request: { path: bytes, content: { $bytes: "//4A" } } },
    ]);
    expect(leftTemporaries(world.root)).toEqual([]);
  });

  test.each([0, 1, 1_048_576, 3_000_001])("%i bytes", async (length) => {
    const world = createWorld();
    const path = join(world.workspace, "data");
    const bytes = Buffer.alloc(length, "0123456789");
    expect(await openHandle(world).fs.write(path, bytes.toString())).toEqual({ bytes_written: length });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test("a new file is only for its owner", async () => {
    const world = createWorld();
    const path = join(world.workspace, "new");
    await openHandle(world).fs.write(path, "new");
    expect(modeOf(path)).toBe(0o600);
  });

  test("a replaced file keeps its mode, but not set-user-id and its like", async () => {
    const world = createWorld();
    const path = join(world.workspace, "script");
    const { fs } = openHandle(world);
    for (const [before, after] of [
      [0o640, 0o640],
      [0o755, 0o755],
      [0o6755, 0o755],
      [0o400, 0o400],
    ] as const) {
      writeFileSync(path, "old", { flag: "w" });
      chmodSync(path, before);
      await fs.write(path, "new");
      expect(modeOf(path)).toBe(after);
      expect(readFileSync(path, "utf8")).toBe("new");
      chmodSync(path, 0o600);
    }
  });

  test("a replaced file keeps its owner where that is allowed", async (context) => {
    if (!isRoot) context.skip("only root gives files away");
    const world = createWorld();
    const path = join(world.workspace, "owned");
    writeFileSync(path, "old");
    chownSync(path, 1234, 5678);
    await openHandle(world).fs.write(path, "new");
    expect(statSync(path)).toMatchObject({ uid: 1234, gid: 5678 });
  });

  test("who may not give files away writes all the same, as himself", async (context) => {
    if (!isRoot) context.skip("needs a file of somebody else");
    const world = createWorld();
    const path = join(world.workspace, "owned");
    writeFileSync(path, "old");
    chownSync(path, 1234, 5678);
    chmodSync(world.root, 0o711);
    chownSync(world.workspace, 65534, 65534);
    const { fs } = openHandle(world);
    process.seteuid?.(65534);
    try {
      await fs.write(path, "new");
    } finally {
      process.seteuid?.(0);
    }
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).uid).toBe(65534);
  });

  test("the old file is not written into: other hard links keep the old content", async () => {
    const world = createWorld();
    const path = join(world.workspace, "file");
    writeFileSync(path, "old");
    linkSync(path, join(world.outside, "link"));
    await openHandle(world).fs.write(path, "new");
    expect(readFileSync(join(world.outside, "link"), "utf8")).toBe("old");
  });

  test("readers see whole versions only while many write the same path", async () => {
    const world = createWorld();
    const path = join(world.workspace, "contended");
    const { fs } = openHandle(world);
    const version = (i: number): string => `${i}:`.repeat(1000 + i * 37);
    const versions = new Set(Array.from({ length: 100 }, (_, i) => version(i)));
    await fs.write(path, version(0));
    let writing = true;
    const reader = (async () => {
      let reads = 0;
      for (; writing; reads += 1) {
        const viaHandle = await fs.read(path);
        expect("text" in viaHandle && versions.has(viaHandle.text)).toBe(true);
        expect(versions.has(readFileSync(path, "utf8"))).toBe(true);
      }
      return reads;
    })();
    await Promise.all([...versions].map((content) => fs.write(path, content)));
    writing = false;
    expect(await reader).toBeGreaterThan(0);
    expect(readdirSync(world.workspace)).toEqual(["contended"]);
  });
});

describe("fs.write refuses what is no path or no content, before it is a use", () => {
  test.each(["a", "/a/../b", "/a//b", "/a/", "/a\0"])("the path %j", async (path) => {
    const { fs, gate } = openHandle(createWorld(), { grants: ["fs:write:/**"] });
    await expectRefusal(fs.write(path, ""), CapabilitySyntaxError, "invalid_capability");
    expect(gate.effects).toEqual([]);
  });

  const getter = Object.defineProperty({}, "$bytes", { get: () => "AAAA", enumerable: true });
  const bad: readonly unknown[] = [
    undefined,
    null,
    7,
    [],
    {},
    Buffer.from("x"),
    { $bytes: 7 },
    { $bytes: "AA" },
    { $bytes: "AB==" },
    { $bytes: "A A=" },
    { $bytes: "__4A" },
    { $bytes: "AAAA", mode: 0o777 },
    getter,
    Object.create({ $bytes: "AAAA" }),
    "lone \ud800 surrogate",
  ];
  test.each(bad.map((content) => [content]))("the content %j", async (content) => {
    const world = createWorld();
    const { fs, gate } = openHandle(world);
    const attempt = fs.write(join(world.workspace, "a"), content as JsonBytes);
    await expectRefusal(attempt, InvalidDataError, "invalid_data");
    expect(gate.effects).toEqual([]);
    expect(readdirSync(world.workspace)).toEqual([]);
  });

  test("content over the limit, as text and as bytes", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world, { fileBytesMax: 6 });
    const path = join(world.workspace, "a");
    await expectRefusal(fs.write(path, "1234567"), EffectFailedError, "too_large");
    await expectRefusal(fs.write(path, "üüüü"), EffectFailedError, "too_large");
    await expectRefusal(fs.write(path, { $bytes: "AAAAAAAAAA==" }), EffectFailedError, "too_large");
    await expectRefusal(fs.write(path, { $bytes: "A".repeat(1000) }), EffectFailedError, "too_large");
    expect(gate.effects).toEqual([]);
    expect(await fs.write(path, { $bytes: "AAAAAAAA" })).toEqual({ bytes_written: 6 });
  });
});

describe("fs.write stays inside its authority (H3)", () => {
  test("an asked path outside", async () => {
    const world = createWorld();
    const attempt = openHandle(world).fs.write(join(world.outside, "a"), "x");
    await expectRefusal(attempt, EffectDeniedError, "outside_authority");
    expect(readdirSync(world.outside)).toEqual([]);
  });

  test("a symlinked folder on the way: nothing is created there", async () => {
    const world = createWorld();
    symlinkSync(world.outside, join(world.workspace, "sub"));
    const { fs, gate } = openHandle(world);
    await expectRefusal(
      fs.write(join(world.workspace, "sub", "a"), "x"),
      EffectDeniedError,
      "outside_authority",
    );
    await expectRefusal(
      fs.write(join(world.workspace, "sub", "b", "c"), "x"),
      EffectDeniedError,
      "outside_authority",
    );
    expect(gate.effects.map(({ reached }) => reached)).toEqual([
      [`fs:write:${world.outside}/a`],
      [`fs:write:${world.outside}/b/c`],
    ]);
    expect(readdirSync(world.outside)).toEqual([]);
  });

  test.each(["file", "folder", "nowhere"])(
    "a final symlink to a %s outside is replaced, not followed",
    async (kind) => {
      const world = createWorld();
      const target = join(world.outside, kind);
      if (kind === "file") writeFileSync(target, "untouched");
      if (kind === "folder") mkdirSync(target);
      const link = join(world.workspace, "link");
      symlinkSync(target, link);
      await openHandle(world).fs.write(link, "new");
      expect(lstatSync(link).isFile()).toBe(true);
      expect(modeOf(link)).toBe(0o600);
      expect(readFileSync(link, "utf8")).toBe("new");
      if (kind === "file") expect(readFileSync(target, "utf8")).toBe("untouched");
      if (kind === "folder") expect(readdirSync(target)).toEqual([]);
      if (kind === "nowhere") expect(existsSync(target)).toBe(false);
    },
  );

  test("a folder, the root included, is not replaced by a file", async () => {
    const world = createWorld();
    mkdirSync(join(world.workspace, "sub"));
    const { fs } = openHandle(world, { grants: ["fs:write:/**"] });
    await expectRefusal(fs.write(join(world.workspace, "sub"), "x"), EffectFailedError, "exists_as_folder");
    await expectRefusal(fs.write("/", "x"), EffectFailedError, "exists_as_folder");
    expect(leftTemporaries(world.root)).toEqual([]);
  });
});

describe("fs.write makes missing parents that the binding covers, and no others (H3)", () => {
  test("covered: each made for the owner alone", async () => {
    const world = createWorld();
    const path = join(world.workspace, "a", "b", "c", "file");
    await openHandle(world).fs.write(path, "deep");
    expect(readFileSync(path, "utf8")).toBe("deep");
    for (const folder of ["a", "a/b", "a/b/c"]) expect(modeOf(join(world.workspace, folder))).toBe(0o700);
  });

  test("through a symlinked folder inside, made where it really is", async () => {
    const world = createWorld();
    mkdirSync(join(world.workspace, "real"));
    symlinkSync("real", join(world.workspace, "link"));
    await openHandle(world).fs.write(join(world.workspace, "link", "a", "file"), "x");
    expect(readFileSync(join(world.workspace, "real", "a", "file"), "utf8")).toBe("x");
  });

  test("the file covered but a folder not: nothing is made, not even the covered folders", async () => {
    const world = createWorld();
    const grants = [`fs:write:${world.workspace}/a`, `fs:write:${world.workspace}/a/b/*`];
    const { fs } = openHandle(world, { grants });
    await expectRefusal(
      fs.write(join(world.workspace, "a", "b", "file"), "x"),
      EffectFailedError,
      "not_found",
    );
    expect(readdirSync(world.workspace)).toEqual([]);
    mkdirSync(join(world.workspace, "a"));
    mkdirSync(join(world.workspace, "a", "b"));
    expect(await fs.write(join(world.workspace, "a", "b", "file"), "x")).toEqual({ bytes_written: 1 });
  });

  test("a dangling symlink in the way is not made real", async () => {
    const world = createWorld();
    symlinkSync(join(world.outside, "made"), join(world.workspace, "sub"));
    const { fs } = openHandle(world);
    await expectRefusal(
      fs.write(join(world.workspace, "sub", "file"), "x"),
      EffectFailedError,
      "not_a_folder",
    );
    expect(readdirSync(world.outside)).toEqual([]);
    expect(readdirSync(world.workspace)).toEqual(["sub"]);
  });

  test("a file in the way", async () => {
    const world = createWorld();
    writeFileSync(join(world.workspace, "file"), "old");
    const { fs } = openHandle(world);
    await expectRefusal(
      fs.write(join(world.workspace, "file", "a", "b"), "x"),
      EffectFailedError,
      "not_a_folder",
    );
    expect(readFileSync(join(world.workspace, "file"), "utf8")).toBe("old");
  });

  test("made folders go again when the write fails", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    const path = join(world.workspace, "a", "b", "n".repeat(300));
    await expectRefusal(fs.write(path, "x"), EffectFailedError, "io_error");
    expect(readdirSync(world.workspace)).toEqual([]);
  });

  test("many writers into the same missing folders all succeed", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    const names = Array.from({ length: 20 }, (_, i) => `file${i}`);
    await Promise.all(names.map((name) => fs.write(join(world.workspace, "a", "b", name), name)));
    expect(readdirSync(join(world.workspace, "a", "b")).sort()).toEqual([...names].sort());
  });
});

describe("a write that fails leaves the old file and no temporary", () => {
  test("cancelled after the target was admitted", async () => {
    const world = createWorld();
    const path = join(world.workspace, "file");
    writeFileSync(path, "old");
    const controller = new AbortController();
    const stop = {
      covers: () => {
        controller.abort();
        return false;
      },
    };
    const { fs } = openHandle(world, { signal: controller.signal, protectedFiles: stop });
    await expectRefusal(fs.write(path, "new"), EffectFailedError, "cancelled");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(world.workspace)).toEqual(["file"]);
  });

  test("folder_moved: the folder was taken elsewhere after it was admitted", async () => {
    const world = createWorld();
    const folder = join(world.workspace, "sub");
    mkdirSync(folder);
    const taken = join(world.outside, "taken");
    const move = {
      covers: () => {
        renameSync(folder, taken);
        return false;
      },
    };
    writeFileSync(join(folder, "file"), "old");
    const { fs } = openHandle(world, { protectedFiles: move });
    await expectRefusal(fs.write(join(folder, "file"), "new"), EffectFailedError, "folder_moved");
    expect(readFileSync(join(taken, "file"), "utf8")).toBe("old");
    expect(readdirSync(taken)).toEqual(["file"]);
    expect(readdirSync(world.workspace)).toEqual([]);
  });

  test("permission_denied: a folder that this user may not write", async () => {
    const world = createWorld();
    const path = join(world.workspace, "file");
    writeFileSync(path, "old");
    chmodSync(world.workspace, 0o555);
    chmodSync(world.root, 0o711);
    const { fs } = openHandle(world);
    if (isRoot) process.seteuid?.(65534);
    try {
      await expectRefusal(fs.write(path, "new"), EffectFailedError, "permission_denied");
      await expectRefusal(
        fs.write(join(world.workspace, "a", "b"), "new"),
        EffectFailedError,
        "permission_denied",
      );
      await expectRefusal(fs.delete(path), EffectFailedError, "permission_denied");
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    chmodSync(world.workspace, 0o755);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(world.workspace)).toEqual(["file"]);
  });

  test("disk_full and read_only: a tiny file system", async (context) => {
    if (!isRoot) context.skip("mounting needs root");
    const world = createWorld();
    const mount = join(world.workspace, "tiny");
    mkdirSync(mount);
    if (!tryRun("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount))
      context.skip("tmpfs cannot be mounted here");
    afterThisTest(() => expect(tryRun("umount", mount)).toBe(true));
    const { fs } = openHandle(world);
    const path = join(mount, "file");
    await fs.write(path, "old");
    await expectRefusal(fs.write(path, "x".repeat(100_000)), EffectFailedError, "disk_full");
    await expectRefusal(fs.write(join(mount, "a", "b"), "x".repeat(100_000)), EffectFailedError, "disk_full");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(mount)).toEqual(["file"]);
    expect(tryRun("mount", "-o", "remount,ro", mount)).toBe(true);
    await expectRefusal(fs.write(path, "new"), EffectFailedError, "read_only");
    await expectRefusal(fs.delete(path), EffectFailedError, "read_only");
    expect(readFileSync(path, "utf8")).toBe("old");
  });
});

test("a folder that may be written but not read is written all the same", async () => {
  const world = createWorld();
  chmodSync(world.root, 0o711);
  if (isRoot) chownSync(world.workspace, 65534, 65534);
  chmodSync(world.workspace, 0o300);
  const { fs } = openHandle(world, { grants: everythingBelow(world.workspace) });
  if (isRoot) process.seteuid?.(65534);
  try {
    await fs.write(join(world.workspace, "file"), "new");
    await expectRefusal(fs.list(world.workspace), EffectFailedError, "permission_denied");
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(world.workspace, 0o700);
  }
  expect(readFileSync(join(world.workspace, "file"), "utf8")).toBe("new");
});
