import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";

import { fsConfinement } from "../../src/actions/handles/fs-confinement.js";
import {
  CapabilitySyntaxError,
  EffectDeniedError,
  EffectFailedError,
  InvalidDataError,
} from "../../src/model/errors.js";
import { createWorld, expectRefusal, isRoot, openHandle } from "./fixtures/fs-world.js";

describe("fs.read gives exactly what stands in the file (H3)", () => {
  test("text as text, a byte order mark and line ends kept", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world);
    const path = join(world.workspace, "notes.txt");
    writeFileSync(path, "\ufeffgrüße\r\n\u0000𝔘");
    expect(await fs.read(path)).toEqual({ text: "\ufeffgrüße\r\n\u0000𝔘" });
    expect(gate.effects).toEqual([
      {
        kind: "fs.read",
        outcome: "performed",
        capabilities: [`fs:read:${path}`],
        request: { path },
        reached: [`fs:read:${path}`],
      },
    ]);
  });

  test("bytes that are not UTF-8 as base64", async () => {
    const world = createWorld();
    const path = join(world.workspace, "image");
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]));
    expect(await openHandle(world).fs.read(path)).toEqual({ bytes: { $bytes: "//4A" } });
  });

  test.each([0, 1, 4095, 262_144, 262_145, 1_048_577])("a file of %i bytes whole", async (length) => {
    const world = createWorld();
    const path = join(world.workspace, "data");
    const text = "0123456789".repeat(length / 10 + 1).slice(0, length);
    writeFileSync(path, text);
    expect(await openHandle(world).fs.read(path)).toEqual({ text });
  });

  test("through a symlink that stays inside, reported where it really is", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world);
    writeFileSync(join(world.workspace, "real"), "inside");
    symlinkSync("real", join(world.workspace, "link"));
    expect(await fs.read(join(world.workspace, "link"))).toEqual({ text: "inside" });
    expect(gate.effects[0]?.reached).toEqual([`fs:read:${join(world.workspace, "real")}`]);
  });

  test("a file whose legal name ends in ` (deleted)`", async () => {
    const world = createWorld();
    const path = join(world.workspace, "x (deleted)");
    writeFileSync(path, "still here");
    expect(await openHandle(world).fs.read(path)).toEqual({ text: "still here" });
  });

  test("names with wildcards, backslashes, percent signs and spaces stand for themselves", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    for (const name of ["*", "**", "a\\b", "%2e%2e", " ", "a b", "-rf", "$HOME", "~"]) {
      writeFileSync(join(world.workspace, name), name);
      expect(await fs.read(join(world.workspace, name))).toEqual({ text: name });
    }
  });

  test("the two Unicode forms of one name are two files (C5)", async () => {
    const world = createWorld();
    const composed = join(world.workspace, "caf\u00e9");
    const decomposed = join(world.workspace, "cafe\u0301");
    writeFileSync(composed, "composed");
    writeFileSync(decomposed, "decomposed");
    const { fs } = openHandle(world, { grants: [`fs:read:${composed}`] });
    expect(await fs.read(composed)).toEqual({ text: "composed" });
    await expectRefusal(fs.read(decomposed), EffectDeniedError, "outside_authority");
  });

  test("results and the handle are frozen", async () => {
    const world = createWorld();
    const { fs } = openHandle(world);
    const path = join(world.workspace, "a");
    writeFileSync(path, "a");
    expect(Object.isFrozen(fs)).toBe(true);
    expect(Object.isFrozen(await fs.read(path))).toBe(true);
  });
});

describe("fs.read refuses what is no path, before it is a use", () => {
  const bad = [
    "",
    ".",
    "..",
    "a",
    "./a",
    "/a/../b",
    "/a/./b",
    "/a//b",
    "//a",
    "/a/",
    "/a\0b",
    "/a\nb",
    "/\ud800",
  ];
  test.each(bad)("%j", async (path) => {
    const { fs, gate } = openHandle(createWorld(), { grants: ["fs:read:/**"] });
    await expectRefusal(fs.read(path), CapabilitySyntaxError, "invalid_capability");
    expect(gate.effects).toEqual([]);
  });

  test.each([
    undefined,
    null,
    7,
    {},
    ["/a"],
    Buffer.from("/a"),
    new URL("file:///a"),
    { toString: () => "/a" },
  ])("the value %j", async (path) => {
    const { fs, gate } = openHandle(createWorld(), { grants: ["fs:read:/**"] });
    await expectRefusal(fs.read(path as string), InvalidDataError, "invalid_data");
    expect(gate.effects).toEqual([]);
  });
});

describe("fs.read stays inside its authority (H3)", () => {
  test("an asked path outside is refused", async () => {
    const world = createWorld();
    const { fs, gate } = openHandle(world);
    writeFileSync(join(world.outside, "secret"), "secret");
    await expectRefusal(fs.read(join(world.outside, "secret")), EffectDeniedError, "outside_authority");
    expect(gate.effects).toMatchObject([
      { kind: "fs.read", outcome: "denied", code: "outside_authority", reached: [] },
    ]);
  });

  test("a neighbour whose name begins alike is outside (C3)", async () => {
    const world = createWorld();
    mkdirSync(`${world.workspace}-other`);
    writeFileSync(join(`${world.workspace}-other`, "a"), "other");
    await expectRefusal(
      openHandle(world).fs.read(join(`${world.workspace}-other`, "a")),
      EffectDeniedError,
      "outside_authority",
    );
  });

  test("a symlink to a file outside", async () => {
    const world = createWorld();
    writeFileSync(join(world.outside, "secret"), "secret");
    symlinkSync(join(world.outside, "secret"), join(world.workspace, "link"));
    const { fs, gate } = openHandle(world);
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
    expect(gate.effects[0]).toMatchObject({ reached: [`fs:read:${join(world.outside, "secret")}`] });
  });

  test("a symlinked folder on the way, absolute and relative", async () => {
    const world = createWorld();
    writeFileSync(join(world.outside, "secret"), "secret");
    symlinkSync(world.outside, join(world.workspace, "absolute"));
    symlinkSync("../outside", join(world.workspace, "relative"));
    const { fs } = openHandle(world);
    for (const name of ["absolute", "relative"]) {
      await expectRefusal(
        fs.read(join(world.workspace, name, "secret")),
        EffectDeniedError,
        "outside_authority",
      );
    }
  });

  test("a symlink whose target's name is not UTF-8, even with authority over everything", async () => {
    const world = createWorld();
    const target = Buffer.concat([Buffer.from(`${world.workspace}/`), Buffer.from([0xff])]);
    writeFileSync(target, "content");
    // What a loose decoding would make of the name, leading to the very same file.
    linkSync(target, join(world.workspace, "\ufffd"));
    symlinkSync(target, join(world.workspace, "link"));
    const { fs } = openHandle(world, { grants: ["fs:read:/**"] });
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
  });

  test("a symlink whose target's name cannot be a capability", async () => {
    const world = createWorld();
    writeFileSync(join(world.workspace, "line\nbreak"), "content");
    symlinkSync("line\nbreak", join(world.workspace, "link"));
    const { fs } = openHandle(world, { grants: ["fs:read:/**"] });
    await expectRefusal(fs.read(join(world.workspace, "link")), EffectDeniedError, "outside_authority");
  });

  test("a hard link that others made gives the file: the documented residue", async () => {
    const world = createWorld();
    writeFileSync(join(world.outside, "secret"), "linked");
    linkSync(join(world.outside, "secret"), join(world.workspace, "link"));
    expect(await openHandle(world).fs.read(join(world.workspace, "link"))).toEqual({ text: "linked" });
  });
});

describe("fs.read fails with a named error", () => {
  test("not_found: nothing there, a dangling symlink, a circle of symlinks", async () => {
    const world = createWorld();
    symlinkSync("nowhere", join(world.workspace, "dangling"));
    symlinkSync("circle", join(world.workspace, "circle"));
    const { fs, gate } = openHandle(world);
    for (const name of ["nothing", "dangling", "circle"]) {
      await expectRefusal(fs.read(join(world.workspace, name)), EffectFailedError, "not_found");
    }
    expect(gate.effects.map(({ outcome }) => outcome)).toEqual(["failed", "failed", "failed"]);
  });

  test("not_a_file: a folder; not_a_folder: a path through a file", async () => {
    const world = createWorld();
    writeFileSync(join(world.workspace, "file"), "");
    const { fs } = openHandle(world);
    await expectRefusal(fs.read(world.workspace), EffectFailedError, "not_a_file");
    await expectRefusal(fs.read(join(world.workspace, "file", "x")), EffectFailedError, "not_a_folder");
  });

  test("io_error: a name longer than the file system allows", async () => {
    const world = createWorld();
    await expectRefusal(
      openHandle(world).fs.read(join(world.workspace, "n".repeat(300))),
      EffectFailedError,
      "io_error",
    );
  });

  test("too_large: 100 MB by its stated size, and one byte over either limit", async () => {
    const world = createWorld();
    const path = join(world.workspace, "large");
    writeFileSync(path, "");
    truncateSync(path, 100_000_000);
    await expectRefusal(openHandle(world).fs.read(path), EffectFailedError, "too_large");
    writeFileSync(path, "12345");
    await expectRefusal(openHandle(world, { fileBytesMax: 4 }).fs.read(path), EffectFailedError, "too_large");
    await expectRefusal(openHandle(world, { bytesMax: 4 }).fs.read(path), EffectFailedError, "too_large");
    expect(await openHandle(world, { fileBytesMax: 5, bytesMax: 5 }).fs.read(path)).toEqual({
      text: "12345",
    });
  });

  test("too_large: a file that grows after its size was looked at", async () => {
    const world = createWorld();
    const path = join(world.workspace, "growing");
    writeFileSync(path, "1234");
    const grow = {
      covers: () => {
        appendFileSync(path, "5".repeat(1_000_000));
        return false;
      },
    };
    const { fs } = openHandle(world, { fileBytesMax: 500_000, protectedFiles: grow });
    await expectRefusal(fs.read(path), EffectFailedError, "too_large");
  });

  test("cancelled: stopped while the file was being found", async () => {
    const world = createWorld();
    const path = join(world.workspace, "a");
    writeFileSync(path, "a");
    const controller = new AbortController();
    const stop = {
      covers: () => {
        controller.abort();
        return false;
      },
    };
    const { fs } = openHandle(world, { signal: controller.signal, protectedFiles: stop });
    await expectRefusal(fs.read(path), EffectFailedError, "cancelled");
  });

  test("permission_denied: the operating system refuses", async () => {
    const world = createWorld();
    const path = join(world.workspace, "closed");
    writeFileSync(path, "closed");
    chmodSync(path, 0o000);
    chmodSync(world.root, 0o711);
    const { fs } = openHandle(world);
    if (isRoot) process.seteuid?.(65534);
    try {
      await expectRefusal(fs.read(path), EffectFailedError, "permission_denied");
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});

test("a file that others keep replacing is read whole, old or new", async () => {
  const world = createWorld();
  const path = join(world.workspace, "current");
  writeFileSync(path, "0");
  const { fs } = openHandle(world);
  let version = 0;
  let running = true;
  const replacing = (async () => {
    while (running) {
      version += 1;
      writeFileSync(`${path}.next`, String(version));
      renameSync(`${path}.next`, path);
      // Long enough for a look that found the old file to find the next one, on a busy machine, too.
      await setTimeout(5);
    }
  })();
  for (let i = 0; i < 500; i += 1) {
    const content = await fs.read(path);
    expect("text" in content && /^\d+$/.test(content.text)).toBe(true);
  }
  running = false;
  await replacing;
  expect(readFileSync(path, "utf8")).toBe(String(version));
});

test("this platform says how well it confines", () => {
  expect(fsConfinement()).toBe(process.platform === "linux" ? "kernel" : "best_effort");
});
