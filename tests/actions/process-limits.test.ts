import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { killGroup } from "../../src/actions/handles/process-group.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { createWorkspace, isRunning, pidIn, until, type Workspace } from "./fixtures/process-workspace.js";

let workspace: Workspace;
beforeEach(() => {
  workspace = createWorkspace();
});
afterEach(() => {
  workspace.remove();
});

const sh = (text: string) => ({ program: "sh", args: ["-c", text] });

describe("output", () => {
  test("of exactly the limit is taken, one byte more is not", async () => {
    const { process } = workspace.handle({ outputBytesMax: 100_000 });
    const { stdout } = await process.run(sh("head -c 100000 /dev/zero"));
    expect(stdout).toBe("\0".repeat(100_000));
    await refusal(process.run(sh("head -c 100001 /dev/zero")), EffectFailedError, "too_large");
    await refusal(process.run(sh("head -c 100001 /dev/zero >&2")), EffectFailedError, "too_large");
  });

  test("of both kinds together stays within the grant", async () => {
    const { process } = workspace.handle({ bytesMax: 100 });
    await process.run(sh("head -c 50 /dev/zero; head -c 50 /dev/zero >&2"));
    const attempt = process.run(sh("head -c 50 /dev/zero; head -c 51 /dev/zero >&2"));
    await refusal(attempt, EffectFailedError, "too_large");
  });

  test("that never ends is the end of its program", async () => {
    const { process } = workspace.handle({ outputBytesMax: 1_000_000 });
    await refusal(process.run(sh("echo $$ > pid; exec yes")), EffectFailedError, "too_large");
    expect(isRunning(await pidIn(join(workspace.folder, "pid")))).toBe(false);
  });

  test("that was written just before the end is all there", async () => {
    const { process } = workspace.handle();
    const { stdout } = await process.run(sh("head -c 3000000 /dev/zero"));
    expect(stdout).toHaveLength(3_000_000);
  });
});

describe("a step that is cancelled", () => {
  test("kills the program, its children and theirs", async () => {
    const step = new AbortController();
    const { process, gate } = workspace.handle({ signal: step.signal });
    const attempt = process.run(
      sh("echo $$ > a; sh -c 'echo $$ > b; sh -c \"echo \\$\\$ > c; sleep 1000\" & wait' & wait"),
    );
    const pids = await Promise.all(["a", "b", "c"].map((name) => pidIn(join(workspace.folder, name))));
    expect(pids.map(isRunning)).toEqual([true, true, true]);
    step.abort();
    await refusal(attempt, EffectFailedError, "cancelled");
    await until(() => !pids.some(isRunning));
    expect(gate.effects).toMatchObject([{ outcome: "failed", code: "cancelled" }]);
  });

  test("kills a program that ignores every signal it can", async () => {
    const step = new AbortController();
    const { process } = workspace.handle({ signal: step.signal });
    const attempt = process.run(sh("trap '' TERM INT HUP QUIT; echo $$ > pid; while :; do sleep 1; done"));
    const pid = await pidIn(join(workspace.folder, "pid"));
    step.abort();
    await refusal(attempt, EffectFailedError, "cancelled");
    await until(() => !isRunning(pid));
  });

  test("kills a program that was stopped", async () => {
    const step = new AbortController();
    const { process } = workspace.handle({ signal: step.signal });
    const attempt = process.run(sh("echo $$ > pid; kill -STOP $$"));
    const pid = await pidIn(join(workspace.folder, "pid"));
    step.abort();
    await refusal(attempt, EffectFailedError, "cancelled");
    await until(() => !isRunning(pid));
  });

  test("starts nothing when it was over before", async () => {
    const step = new AbortController();
    step.abort();
    const { process } = workspace.handle({ signal: step.signal });
    await refusal(process.run(sh("echo $$ > pid")), EffectDeniedError, "revoked_while_running");
    expect(await workspace.handle().process.run({ program: "ls" })).toMatchObject({ stdout: "" });
  });
});

describe("what a program leaves behind", () => {
  test("in its group ends with it", async () => {
    const { process } = workspace.handle();
    const { exit_code, stdout } = await process.run(sh("sleep 1000 & echo $!"));
    expect(exit_code).toBe(0);
    await until(() => !isRunning(Number(stdout)));
  });

  test("outside of its group escapes, and yet does not hold up the result", async () => {
    const { process } = workspace.handle();
    const result = await process.run(
      sh("setsid sh -c 'echo $$ > pid; exec sleep 1000' & until [ -s pid ]; do :; done; echo done"),
    );
    const pid = await pidIn(join(workspace.folder, "pid"));
    try {
      expect(result).toEqual({ exit_code: 0, stdout: "done\n", stderr: "" });
      // The documented residue: who leaves the group is not reached.
      expect(isRunning(pid)).toBe(true);
    } finally {
      globalThis.process.kill(pid, "SIGKILL");
    }
  });

  test("and keeps printing does not hold it up for ever either", async () => {
    const { process } = workspace.handle();
    const daemon = "echo $$ > pid; while :; do echo x; sleep 0.2; done";
    const result = await process.run(sh(`setsid sh -c '${daemon}' & until [ -s pid ]; do :; done`));
    const pid = await pidIn(join(workspace.folder, "pid"));
    globalThis.process.kill(-pid, "SIGKILL");
    expect(result.exit_code).toBe(0);
  });
});

test.each([0, 1, -1, Number.NaN, 1.5])("a group that is everybody's is never killed: %d", (leader) => {
  expect(() => killGroup(leader)).toThrow(TypeError);
});
