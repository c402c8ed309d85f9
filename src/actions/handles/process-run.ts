import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { EffectFailedError } from "../../model/errors.js";
import { withChildStdio } from "./process-descriptors.js";
import { killGroup } from "./process-group.js";

/** What is started, all of it decided already. */
export interface Spawned {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
}

export interface RunLimits {
  /** Of standard output, and as much of standard error. */
  readonly outputBytesMax: number;
  /** Of both together. */
  readonly totalBytesMax: number;
}

export interface Exited {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** How long the pipes may stay silent after the program is gone while something else holds them open. */
const silenceMs = 1000;
const silencesMax = 3;
/** How long a killed program may take to die; one with the powers of another user never does. */
const deathMs = 5000;

/**
 * Starts a program in a process group of its own and waits for its end. The whole group is killed when
 * the signal is aborted, when it prints too much, and when the program itself has ended: what it left
 * running would go on outside of any step. A process that leaves the group escapes that (best effort);
 * its hold on the pipes does not delay the result.
 *
 * @throws EffectFailedError `cancelled`, `too_large`, `spawn_failed`
 */
export async function runProgram(what: Spawned, limits: RunLimits, signal: AbortSignal): Promise<Exited> {
  if (signal.aborted) throw cancelled();
  const child = start(what);
  const { pid, stdout, stderr } = child;
  if (pid === undefined || stdout === null || stderr === null) throw await spawnFailure(child);

  return new Promise((resolve, reject) => {
    let failure: EffectFailedError | undefined;
    let timer: NodeJS.Timeout | undefined;
    let state: "running" | "exited" | "closed" = "running";
    let heard = false;
    const stop = (reason: EffectFailedError): void => {
      if (failure !== undefined) return;
      failure = reason;
      if (state !== "running") return letGo();
      killGroup(pid);
      timer = setTimeout(abandon, deathMs);
    };
    const cancel = (): void => stop(cancelled());
    const output = collect(stdout, stderr, limits, () => (heard = true), stop);

    signal.addEventListener("abort", cancel, { once: true });
    child.once("exit", () => {
      state = "exited";
      // At once: the group's number is ours for as long as any of its members lives, and no longer.
      killGroup(pid);
      clearTimeout(timer);
      waitForSilence(silencesMax);
    });
    child.once("close", (code, killedBy) => {
      finish();
      if (failure !== undefined) return reject(failure);
      resolve({ exitCode: exitCode(code, killedBy), stdout: output.stdout(), stderr: output.stderr() });
    });

    function waitForSilence(rounds: number): void {
      heard = false;
      // The check comes after one more look at the pipes: a busy machine must not cost output.
      timer = setTimeout(() => setImmediate(() => afterSilence(rounds)), silenceMs);
    }
    function afterSilence(rounds: number): void {
      if (state === "closed") return;
      if (heard && rounds > 1) waitForSilence(rounds - 1);
      else letGo();
    }
    function letGo(): void {
      stdout?.destroy();
      stderr?.destroy();
    }
    function abandon(): void {
      finish();
      letGo();
      child.unref();
      reject(failure ?? cancelled());
    }
    function finish(): void {
      state = "closed";
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    }
  });
}

function start({ file, argv0, args, cwd, env }: Spawned): ChildProcess {
  try {
    return withChildStdio((stdio) =>
      spawn(file, args, { argv0, cwd, env, shell: false, detached: true, stdio }),
    );
  } catch (error) {
    throw failedToSpawn(error);
  }
}

function spawnFailure(child: ChildProcess): Promise<EffectFailedError> {
  return new Promise((resolve) => child.once("error", (error) => resolve(failedToSpawn(error))));
}

function failedToSpawn(error: unknown): EffectFailedError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  return new EffectFailedError("spawn_failed", `the program could not be started (${code})`, {
    cause: error,
  });
}

function cancelled(): EffectFailedError {
  return new EffectFailedError("cancelled", "the program was stopped with its step");
}

function collect(
  stdout: Readable,
  stderr: Readable,
  { outputBytesMax, totalBytesMax }: RunLimits,
  heard: () => void,
  stop: (reason: EffectFailedError) => void,
): { stdout: () => Buffer; stderr: () => Buffer } {
  let total = 0;
  const from = (stream: Readable): (() => Buffer) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let full = false;
    stream.on("data", (chunk: Buffer) => {
      heard();
      bytes += chunk.length;
      total += chunk.length;
      full ||= bytes > outputBytesMax || total > totalBytesMax;
      if (full) return stop(new EffectFailedError("too_large", "the program printed more than is taken in"));
      chunks.push(chunk);
    });
    stream.on("error", (error) => {
      stop(new EffectFailedError("spawn_failed", "the program's output could not be read", { cause: error }));
    });
    return () => Buffer.concat(chunks);
  };
  return { stdout: from(stdout), stderr: from(stderr) };
}

/** A program that a signal ended has 128 + its number, as in every shell. */
function exitCode(code: number | null, killedBy: NodeJS.Signals | null): number {
  return code ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]);
}
