import { ScriptError } from "../../model/errors.js";
import { isJsonObject, type JsonValue } from "../../model/json.js";
import type { ScriptEnd, ScriptJob } from "./protocol.js";

/** An end that is not a value, as an error that says where in the script's own text it happened. */
export function scriptFailure(end: Exclude<ScriptEnd, { kind: "value" }>, job: ScriptJob): ScriptError {
  const { file } = job;
  switch (end.kind) {
    case "thrown":
    case "syntax":
      return thrown(end.kind, end.text, job);
    case "output":
      return new ScriptError("script_output", file, `what it returned cannot be given out: ${end.text}`);
    case "stalled":
      return new ScriptError("script_stalled", file, "it waits for a promise that nothing will ever settle");
    case "engine":
      return isOutOfMemory(end.text)
        ? new ScriptError("script_out_of_memory", file, memoryMessage(job))
        : new ScriptError("script_crashed", file, `the sandbox ended: ${end.text}`);
  }
}

/** Everything in `text` may be of the script's own making: it is shown, and nothing is decided by it. */
function thrown(kind: "thrown" | "syntax", text: string, job: ScriptJob): ScriptError {
  const { name, message, stack, code } = factsOf(text);
  const position = positionOf(stack, job);
  if (name === "InternalError" && isOutOfMemory(message)) {
    return new ScriptError("script_out_of_memory", job.file, memoryMessage(job), position);
  }
  const kindOfError = name === "" ? "" : code === "" ? `${name}: ` : `${name} [${code}]: `;
  const shown = `${kindOfError}${message}`.toWellFormed();
  return new ScriptError(kind === "syntax" ? "script_syntax" : "script_failed", job.file, shown, position);
}

function factsOf(text: string): { name: string; message: string; stack: string; code: string } {
  const parsed = JSON.parse(text) as JsonValue;
  const fact = (key: string): string => {
    const value = isJsonObject(parsed) && Object.hasOwn(parsed, key) ? parsed[key] : "";
    return typeof value === "string" ? value : "";
  };
  return { name: fact("name"), message: fact("message"), stack: fact("stack"), code: fact("code") };
}

/** The topmost frame that is the script's: `at f (name:4:7)`, one line below where it stands in the script. */
function positionOf(stack: string, { file, code }: ScriptJob): { line: number; column: number } | undefined {
  const escaped = file.replace(/[.]/g, "\\.");
  const frame = new RegExp(`[ (]${escaped}:(\\d{1,9}):(\\d{1,9})\\)?$`, "m").exec(stack);
  if (frame === null) return undefined;
  // A bracket that is never closed is found on the line after the last.
  const lines = code.split("\n").length;
  return { line: Math.min(lines, Math.max(1, Number(frame[1]) - 1)), column: Number(frame[2]) };
}

function isOutOfMemory(text: string): boolean {
  return /out of memory/i.test(text);
}

function memoryMessage({ memoryBytes }: ScriptJob): string {
  return `it needs more memory than its ${memoryBytes} bytes`;
}
