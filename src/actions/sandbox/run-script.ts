import type { Environment } from "../../core/environment.js";
import type { Handles } from "../../core/ports.js";
import { copyJson } from "../../model/copy-json.js";
import { ScriptError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";
import { handleMethods, useHandle } from "./handle-calls.js";
import { SandboxPool } from "./pool.js";
import type { ScriptJob } from "./protocol.js";
import { scriptFailure } from "./script-failure.js";

/** What one script may use up; all of them are part of what was authorised. */
export interface ScriptLimits {
  /** ms of running; the step's own deadline stands as well. */
  readonly deadlineMs: number;
  readonly memoryBytes: number;
  /** UTF-16 units of what it returns, and of the arguments and the answer of one use of a handle, as JSON. */
  readonly textMax: number;
  /** Uses of handles, refused ones included. */
  readonly callsMax: number;
}

export interface ScriptRequest {
  readonly name: string;
  /** The body of an async function. */
  readonly code: string;
  readonly input: JsonValue;
  /** Absolute: where its relative paths begin. */
  readonly folder: string;
  readonly limits: ScriptLimits;
}

let shared: SandboxPool | undefined;

/**
 * Runs an untrusted script (SEMANTICS H5). It reaches nothing but `input` and the handles that it is given; with
 * the same request, environment and answers it gives the same output.
 *
 * @returns what the script returned, frozen plain data; null when it returned nothing.
 * @throws ScriptError `script_syntax`, `script_failed`, `script_output`, `script_stalled`, `script_deadline`,
 *   `script_out_of_memory`, `script_crashed`; what `env.signal` was aborted with.
 */
export async function runScript(
  { name, code, input, folder, limits }: ScriptRequest,
  handles: Handles,
  env: Environment,
  pool: SandboxPool = (shared ??= new SandboxPool()),
): Promise<JsonValue> {
  const { memoryBytes, textMax, callsMax } = limits;
  const job: ScriptJob = {
    file: name,
    code,
    input: JSON.stringify(input),
    seed: env.uuid(),
    startMs: env.now(),
    methods: handleMethods,
    memoryBytes,
    textMax,
    callsMax,
  };
  const deadline = new AbortController();
  const late = new ScriptError("script_deadline", name, `it ran longer than ${limits.deadlineMs} ms`);
  const timer = setTimeout(() => deadline.abort(late), limits.deadlineMs);
  try {
    const end = await pool.run({
      job,
      agentId: env.agentId,
      signal: AbortSignal.any([env.signal, deadline.signal]),
      onCall: (method, args, answer) => {
        // Delivered as it comes: the order in which effects end is the order in which the script sees it.
        void useHandle(handles, folder, method, args, textMax).then(({ ok, text }) => answer(ok, text));
      },
    });
    if (end.kind !== "value") throw scriptFailure(end, job);
    return outputOf(end.text, name);
  } finally {
    clearTimeout(timer);
  }
}

function outputOf(text: string, name: string): JsonValue {
  try {
    return copyJson(JSON.parse(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ScriptError("script_output", name, `what it returned cannot be given out: ${why}`);
  }
}
