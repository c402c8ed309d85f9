import { copyJson } from "../../model/copy-json.js";
import { InvalidDataError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";

/** A process as it was asked for: copied, its shape checked, defaults filled in. */
export interface ProcessCall {
  /** A name without slashes, or an absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/**
 * Reads the argument of `process.run` once.
 * @throws InvalidDataError when it does not have the shape of `ProcessRequest`.
 */
export function readProcessCall(argument: unknown, workingFolder: string): ProcessCall {
  const copy = copyJson(argument);
  if (typeof copy !== "object" || copy === null || Array.isArray(copy)) {
    throw new InvalidDataError("request", "`request` is not an object");
  }
  const { program, args = [], cwd = workingFolder, ...rest } = copy as { readonly [key: string]: JsonValue };
  const unknown = Object.keys(rest)[0];
  // `env`, `shell`, `uid` of other interfaces: ignoring them silently would do something else than asked.
  if (unknown !== undefined) throw new InvalidDataError(unknown, `\`${unknown}\` is not part of a process`);
  if (typeof program !== "string") throw new InvalidDataError("program", "`program` is not text");
  if (typeof cwd !== "string") throw new InvalidDataError("cwd", "`cwd` is not text");
  if (program === "" || program === "." || program === "..") {
    throw new InvalidDataError("program", "`program` is not the name of a program");
  }
  if (program.includes("/") && !program.startsWith("/")) {
    // Relative to a folder that the agent fills, `tools/git` would be whatever it put there.
    throw new InvalidDataError("program", "`program` is neither a bare name nor an absolute path");
  }
  return { program, cwd, args: readArguments(args) };
}

function readArguments(args: JsonValue): readonly string[] {
  if (!Array.isArray(args)) throw new InvalidDataError("args", "`args` is not an array");
  return Object.freeze(
    (args as readonly JsonValue[]).map((arg, index) => {
      if (typeof arg !== "string") throw new InvalidDataError(`args[${index}]`, "an argument is not text");
      // The kernel would end the argument there: the program would see less than what was checked.
      if (arg.includes("\0"))
        throw new InvalidDataError(`args[${index}]`, "an argument holds a NUL character");
      return arg;
    }),
  );
}
