import { spawnSync } from "node:child_process";
import { openSync, closeSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createProcessHandle, systemPath } from "../../src/actions/handles/process.js";
import type { EffectGate, ProcessResult } from "../../src/core/ports.js";
import {
  CapabilitySyntaxError,
  EffectDeniedError,
  EffectFailedError,
  InvalidDataError,
} from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { createWorkspace, type Workspace } from "./fixtures/process-workspace.js";
import { createTestGate } from "./test-gate.js";
import { programOf } from "../programs.js";

let workspace: Workspace;
beforeEach(() => {
  workspace = createWorkspace();
});
afterEach(() => {
  workspace.remove();
});

/** Prints its arguments, one a line, each in brackets. */
const printArguments = ["-c", 'for a; do printf "[%s]\\n" "$a"; done', "sh"];

function textOf(output: ProcessResult["stdout"]): string {
  if (typeof output !== "string") throw new Error("the output is no text");
  return output;
}

describe("a program that is allowed", () => {
  test("gives its output and exit code, and is one effect with what was asked", async () => {
    const { process, gate } = workspace.handle();
    const result = await process.run({ program: "sh", args: ["-c", "echo out; echo err >&2; exit 3"] });
    expect(result).toEqual({ exit_code: 3, stdout: "out\n", stderr: "err\n" });
    expect(gate.effects).toEqual([
      {
        kind: "process.run",
        outcome: "performed",
        capabilities: ["os:process:sh", `fs:list:${workspace.folder}`],
        reached: [`fs:list:${workspace.folder}`],
        request: {
          program: "sh",
          args: ["-c", "echo out; echo err >&2; exit 3"],
          cwd: workspace.folder,
        },
      },
    ]);
  });

  test("that a signal ended has 128 and its number", async () => {
    const { process } = workspace.handle();
    for (const [signal, code] of [
      ["TERM", 143],
      ["KILL", 137],
    ] as const) {
      const result = await process.run({ program: "sh", args: ["-c", `kill -${signal} $$`] });
      expect(result.exit_code).toBe(code);
    }
  });

  test("whose output is no text gives bytes", async () => {
    const { process } = workspace.handle();
    const { stdout } = await process.run({ program: "printf", args: ["\\377\\000"] });
    expect(stdout).toEqual({ $bytes: "/wA=" });
  });

  test("runs in the folder that was asked for", async () => {
    mkdirSync(join(workspace.folder, "sub dir"));
    const { process } = workspace.handle();
    const cwd = join(workspace.folder, "sub dir");
    expect(await process.run({ program: "pwd", cwd })).toMatchObject({ stdout: `${cwd}\n` });
  });

  test("is named by its absolute path, too", async () => {
    const { process, gate } = workspace.handle();
    expect(await process.run({ program: "/bin/echo", args: ["x"] })).toMatchObject({ stdout: "x\n" });
    expect(gate.effects[0]?.capabilities[0]).toBe("os:process:/bin/echo");
  });

  test("is found in folders that the operator adds, the first executable one", async () => {
    workspace.program("a/tool", "#!/bin/sh\necho a\n", 0o644);
    workspace.program("b/tool", "#!/bin/sh\necho b\n");
    workspace.program("c/tool", "#!/bin/sh\necho c\n");
    const path = ["missing", "a", "b", "c"].map((name) => join(workspace.folder, name));
    const { process } = workspace.handle({ path });
    expect(await process.run({ program: "tool" })).toMatchObject({ stdout: "b\n" });
  });

  test("sees the name it was found under, as programs with many names need", async () => {
    symlinkSync(globalThis.process.execPath, join(workspace.folder, "my-node"));
    const { process } = workspace.handle({ path: [workspace.folder] });
    const { stdout } = await process.run({ program: "my-node", args: ["-p", "process.argv0"] });
    expect(stdout).toBe(`${join(workspace.folder, "my-node")}\n`);
  });
});

describe("what a program gets", () => {
  test("arguments as they are: nothing in them means anything", async () => {
    const { process } = workspace.handle();
    const args = [
      "; touch pwned",
      "$(touch pwned)",
      "`touch pwned`",
      "*",
      "a b",
      "",
      "|",
      "$HOME",
      "\n",
      "--",
      "é",
    ];
    const { stdout } = await process.run({ program: "sh", args: [...printArguments, ...args] });
    expect(stdout).toBe(args.map((arg) => `[${arg}]\n`).join(""));
    expect(await process.run({ program: "ls" })).toMatchObject({ stdout: "" });
  });

  test("exactly the documented environment", async () => {
    const names = ["SYNAPSE_SECRET_x", "NODE_V8_COVERAGE", "NODE_OPTIONS", "LD_PRELOAD_X"];
    const before = globalThis.process.env["NODE_V8_COVERAGE"];
    for (const name of names.filter((name) => name !== "NODE_OPTIONS")) {
      globalThis.process.env[name] = join(workspace.folder, "leak");
    }
    try {
      const { process } = workspace.handle();
      const { stdout } = await process.run({ program: "env" });
      expect(textOf(stdout).trimEnd().split("\n").sort()).toEqual([
        "HOME=/nonexistent",
        "LANG=C.UTF-8",
        "LC_ALL=C.UTF-8",
        `PATH=${systemPath.join(":")}`,
        "TZ=UTC",
      ]);
    } finally {
      for (const name of names) delete globalThis.process.env[name];
      if (before !== undefined) globalThis.process.env["NODE_V8_COVERAGE"] = before;
    }
  });

  test("an empty standard input", async () => {
    const { process } = workspace.handle();
    expect(await process.run({ program: "cat" })).toEqual({ exit_code: 0, stdout: "", stderr: "" });
  });

  test("no open file of ours", async () => {
    const open = openSync(join(workspace.folder, "open"), "w");
    try {
      const { process } = workspace.handle();
      const { stdout } = await process.run({ program: "sh", args: ["-c", "ls -l /proc/$$/fd"] });
      const found = [...textOf(stdout).matchAll(/ (\d+) -> (.*)/g)].map(([, number, target]) => [
        number,
        target,
      ]);
      expect(found.slice(0, 3)).toEqual([
        ["0", "/dev/null"],
        ["1", expect.stringMatching(/^socket:/)],
        ["2", expect.stringMatching(/^socket:/)],
      ]);
      expect(found.slice(3).filter(([, target]) => target !== "/dev/null")).toEqual([]);
    } finally {
      closeSync(open);
    }
  });

  test("nor what this process was itself started with", () => {
    const file = join(workspace.folder, "inherited");
    const inherited = openSync(file, "w");
    try {
      // Only the numbers below 16 are marked close-on-exec by Node when it starts.
      const stdio: ("ignore" | "pipe" | number)[] = Array.from({ length: 101 }, () => "ignore");
      stdio.splice(1, 2, "pipe", "pipe");
      stdio[100] = inherited;
      const script = programOf("tests/actions/fixtures/process-inherited.ts");
      const args = [script, workspace.folder];
      const { stdout, stderr } = spawnSync(globalThis.process.execPath, args, { stdio, encoding: "utf8" });
      expect(stderr).toBe("");
      const { own, child } = JSON.parse(stdout) as { own: string; child: string };
      expect(own).toBe(file);
      expect(child).not.toContain(file);
      expect(child).toContain("100 -> /dev/null");
    } finally {
      closeSync(inherited);
    }
  });

  test("not the PATH that this process was started with", async () => {
    workspace.program("echo", "#!/bin/sh\nprintf evil\n");
    const before = globalThis.process.env["PATH"];
    globalThis.process.env["PATH"] = `${workspace.folder}:${before ?? ""}`;
    try {
      const { process } = workspace.handle();
      expect(await process.run({ program: "echo", args: ["x"] })).toMatchObject({ stdout: "x\n" });
    } finally {
      globalThis.process.env["PATH"] = before;
    }
  });

  test("nor a program of that name in the folder it runs in", async () => {
    workspace.program("only-here", "#!/bin/sh\necho evil\n");
    const { process } = workspace.handle();
    await refusal(process.run({ program: "only-here" }), EffectFailedError, "program_not_found");
  });
});

describe("requests that are refused", () => {
  test("a program that is not granted, by name or by path", async () => {
    const { process } = workspace.handle({ grants: ["os:process:echo", `fs:list:${workspace.folder}`] });
    await process.run({ program: "echo" });
    for (const program of ["sh", "ech", "echoo", "/bin/echo", "/usr/bin/echo"]) {
      await refusal(process.run({ program }), EffectDeniedError, "outside_authority");
    }
  });

  test("a folder that is not granted", async () => {
    const { process } = workspace.handle({ grants: ["os:process:pwd", `fs:list:${workspace.folder}/in/**`] });
    await refusal(process.run({ program: "pwd" }), EffectDeniedError, "outside_authority");
    await refusal(process.run({ program: "pwd", cwd: "/" }), EffectDeniedError, "outside_authority");
  });

  test.each(["bin/sh", "./sh", "../bin/sh", "", ".", ".."])(
    "a program by a relative path: %j",
    async (program) => {
      const { process, gate } = workspace.handle();
      await refusal(process.run({ program }), InvalidDataError, "invalid_data");
      expect(gate.effects).toEqual([]);
    },
  );

  test.each(["/usr/bin/../bin/sh", "/usr//bin/sh", "/usr/bin/sh/", "/bin/./sh", "s\0h", "sh\n"])(
    "a program that no capability can name: %j",
    async (program) => {
      const { process, gate } = workspace.handle();
      await refusal(process.run({ program }), CapabilitySyntaxError, "invalid_capability");
      expect(gate.effects).toEqual([]);
    },
  );

  test.each(["relative", "../up", "/a/../b", "/a\0b", ""])(
    "a folder that no capability can name: %j",
    async (cwd) => {
      const { process } = workspace.handle({ grants: ["os:process", "fs:list"] });
      await refusal(process.run({ program: "pwd", cwd }), CapabilitySyntaxError, "invalid_capability");
    },
  );

  test.each([
    ["arguments as one text", { program: "sh", args: "-c id" }],
    ["an argument that is a number", { program: "sh", args: [1] }],
    ["an argument that ends early", { program: "sh", args: ["a\0b"] }],
    ["an environment", { program: "sh", env: { LD_PRELOAD: "x" } }],
    ["a shell", { program: "sh", shell: true }],
    ["an option of another library", { program: "sh", stdio: "inherit" }],
    ["no program", {}],
    ["nothing", undefined],
  ])("%s", async (_, request) => {
    const { process, gate } = workspace.handle();
    await refusal(process.run(request as never), InvalidDataError, "invalid_data");
    expect(gate.effects).toEqual([]);
  });

  test("a secret in the arguments, where every user of the machine could read it", async () => {
    const { process, gate } = workspace.handle();
    for (const request of [
      { program: "echo", args: ["--token=secret://key"] },
      { program: "sh", args: ["-c", "echo secret://"] },
    ]) {
      await refusal(process.run(request), EffectDeniedError, "secret_in_arguments");
    }
    expect(gate.effects).toMatchObject([{ outcome: "denied" }, { outcome: "denied" }]);
  });

  test("folders of the operator that are not absolute are the caller's mistake", () => {
    const gate = createTestGate({ grants: [] });
    const protectedFiles = { covers: () => false };
    expect(() => createProcessHandle(gate, { workingFolder: "here", protectedFiles })).toThrow(TypeError);
    expect(() => createProcessHandle(gate, { workingFolder: "/", path: ["."], protectedFiles })).toThrow(
      TypeError,
    );
  });
});

describe("the folder a program runs in", () => {
  test("is where it leads, and that must be granted", async () => {
    const inside = join(workspace.folder, "in");
    mkdirSync(inside);
    mkdirSync(join(workspace.folder, "out"));
    mkdirSync(join(inside, "real"));
    symlinkSync("../out", join(inside, "away"));
    symlinkSync("real", join(inside, "near"));
    const { process } = workspace.handle({ grants: ["os:process:pwd", `fs:list:${inside}/**`] });
    const away = process.run({ program: "pwd", cwd: join(inside, "away") });
    await refusal(away, EffectDeniedError, "outside_authority");
    const near = await process.run({ program: "pwd", cwd: join(inside, "near") });
    expect(near.stdout).toBe(`${join(inside, "real")}\n`);
  });

  test("is the one that was checked, when another takes its name right after the check", async () => {
    const [work, parked, secret] = ["work", "parked", "secret"].map((name) =>
      join(workspace.folder, name),
    ) as [string, string, string];
    mkdirSync(work);
    mkdirSync(secret);
    writeFileSync(join(work, "checked"), "");
    writeFileSync(join(secret, "not checked"), "");
    const gate = createTestGate({ grants: ["os:process:ls", `fs:list:${work}`] });
    const swapping: EffectGate = {
      ...gate,
      perform: (use, body) =>
        gate.perform(use, (grant) =>
          body({
            ...grant,
            reached(capability) {
              grant.reached(capability);
              renameSync(work, parked);
              symlinkSync(secret, work);
            },
          }),
        ),
    };
    const protectedFiles = { covers: () => false };
    const handle = createProcessHandle(swapping, { workingFolder: work, protectedFiles });
    expect(await handle.run({ program: "ls" })).toMatchObject({ stdout: "checked\n" });
  });

  test.each([
    ["is missing", "missing", "not_found"],
    ["is a file", "file", "not_a_folder"],
  ])("%s", async (_, name, code) => {
    writeFileSync(join(workspace.folder, "file"), "");
    const { process } = workspace.handle();
    const attempt = process.run({ program: "pwd", cwd: join(workspace.folder, name) });
    await refusal(attempt, EffectFailedError, code);
  });

  test("is no folder of the kernel", async () => {
    const { process } = workspace.handle({ grants: ["os:process", "fs:list"] });
    await refusal(process.run({ program: "pwd", cwd: "/proc/self" }), EffectDeniedError, "special_file");
  });

  test("is no folder of the pipeline itself", async () => {
    const own = join(workspace.folder, ".synapse");
    mkdirSync(own);
    const protectedFiles = { covers: ({ path }: { path: string }) => path === own };
    const { process } = workspace.handle({ protectedFiles });
    await refusal(process.run({ program: "pwd", cwd: own }), EffectDeniedError, "protected_file");
    const program = workspace.program(".synapse/tool", "#!/bin/sh\n");
    const all = workspace.handle({ protectedFiles: { covers: ({ path }) => path.startsWith(own) } });
    await refusal(all.process.run({ program }), EffectDeniedError, "protected_file");
  });
});

describe("programs that this agent could rewrite", () => {
  test("are not started, by whatever binding it could", async () => {
    const program = workspace.program("bin/tool", "#!/bin/sh\necho tool\n");
    const path = [dirname(program)];
    const free = workspace.handle({ path, holds: [`fs:write:${workspace.folder}/src/**`] });
    expect(await free.process.run({ program: "tool" })).toMatchObject({ stdout: "tool\n" });
    for (const held of [program, `${workspace.folder}/**`, `${workspace.folder}/*/tool`, "/**"]) {
      const { process, gate } = workspace.handle({ path, holds: [`fs:write:${held}`] });
      await refusal(process.run({ program: "tool" }), EffectDeniedError, "writable_program");
      await refusal(process.run({ program }), EffectDeniedError, "writable_program");
      expect(gate.effects).toMatchObject([{ outcome: "denied" }, { outcome: "denied" }]);
    }
  });

  test("nor through any link on the way that it could point elsewhere", async () => {
    const program = workspace.program("fixed/tool", "#!/bin/sh\necho tool\n");
    mkdirSync(join(workspace.folder, "mine"));
    mkdirSync(join(workspace.folder, "path"));
    symlinkSync(program, join(workspace.folder, "mine/last"));
    symlinkSync("../mine/last", join(workspace.folder, "path/first"));
    symlinkSync(join(workspace.folder, "fixed"), join(workspace.folder, "mine/folder"));
    const { process: free } = workspace.handle();
    const { process } = workspace.handle({ holds: [`fs:write:${workspace.folder}/mine/**`] });
    for (const way of ["mine/last", "path/first", "mine/folder/tool"]) {
      const program = join(workspace.folder, way);
      expect(await free.run({ program })).toMatchObject({ stdout: "tool\n" });
      await refusal(process.run({ program }), EffectDeniedError, "writable_program");
    }
  });

  test("nor when it shadows a program of the system in a folder before it", async () => {
    workspace.program("bin/echo", "#!/bin/sh\necho evil\n");
    const path = [join(workspace.folder, "bin"), ...systemPath];
    const { process } = workspace.handle({ path, holds: [`fs:write:${workspace.folder}/bin/**`] });
    await refusal(process.run({ program: "echo" }), EffectDeniedError, "writable_program");
  });

  test("nor those that every user could rewrite", async () => {
    const program = workspace.program("tool", "#!/bin/sh\n", 0o777);
    const { process } = workspace.handle();
    await refusal(process.run({ program }), EffectDeniedError, "writable_program");
  });
});

describe("programs that cannot be started", () => {
  test("one that is not there, or behind a dangling or circular link", async () => {
    symlinkSync("missing", join(workspace.folder, "dangling"));
    symlinkSync("circle", join(workspace.folder, "circle"));
    const { process } = workspace.handle();
    await refusal(process.run({ program: "no-such-program-here" }), EffectFailedError, "program_not_found");
    for (const name of ["missing", "dangling", "circle", "dangling/x"]) {
      const attempt = process.run({ program: join(workspace.folder, name) });
      await refusal(attempt, EffectFailedError, "program_not_found");
    }
  });

  test("a folder, a file without the right to run", async () => {
    const { process } = workspace.handle();
    const text = workspace.program("text", "echo x\n", 0o644);
    for (const program of [workspace.folder, "/", text, "/dev/null"]) {
      await refusal(process.run({ program }), EffectFailedError, "not_executable");
    }
  });

  test("one whose interpreter is missing, or with more arguments than the system takes", async () => {
    const program = workspace.program("script", "#!/no/such/interpreter\n");
    const { process } = workspace.handle();
    await refusal(process.run({ program }), EffectFailedError, "spawn_failed");
    const attempt = process.run({ program: "echo", args: ["x".repeat(1024 * 1024)] });
    await refusal(attempt, EffectFailedError, "spawn_failed");
  });
});
