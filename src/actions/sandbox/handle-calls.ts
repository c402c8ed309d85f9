import type { Handles } from "../../core/ports.js";
import { copyJson } from "../../model/copy-json.js";
import { EffectFailedError, SynapseError } from "../../model/errors.js";
import { isJsonArray, isJsonObject, type JsonValue } from "../../model/json.js";
import { fromWorkingFolder } from "../working-path.js";

type Argument = JsonValue | undefined;
/** `at` makes a path absolute that is not, as the built-in actions do with theirs. */
type At = (path: Argument) => Argument;
type Use = (handles: Handles, at: At, first: Argument, second: Argument) => Promise<unknown>;

/** Arguments are what a script gave. Every handle checks its own at its door, so their types are not believed here. */
const asGiven = (value: Argument): never => value as never;

const uses: ReadonlyMap<string, Use> = new Map<string, Use>([
  ["fs.read", ({ fs }, at, path) => fs.read(asGiven(at(path)))],
  ["fs.write", ({ fs }, at, path, content) => fs.write(asGiven(at(path)), asGiven(content))],
  ["fs.list", ({ fs }, at, path) => fs.list(asGiven(at(path)))],
  ["fs.delete", ({ fs }, at, path) => fs.delete(asGiven(at(path)))],
  ["http.request", ({ http }, _at, request) => http.request(asGiven(request))],
  ["process.run", ({ process }, at, request) => process.run(asGiven(inFolder(request, at)))],
  ["memory.get", ({ memory }, _at, key) => memory.get(asGiven(key))],
  ["memory.set", ({ memory }, _at, key, value) => memory.set(asGiven(key), asGiven(value))],
]);

function inFolder(request: Argument, at: At): Argument {
  if (request === undefined || !isJsonObject(request)) return request;
  return { ...request, cwd: at(request["cwd"] ?? ".") as JsonValue };
}

/** What a script finds in `handles`: the same names and answers as the built-in actions have. */
export const handleMethods: readonly string[] = Object.freeze([...uses.keys()]);

/** The answer to a call as it goes into the sandbox: JSON text of the result, or of the error. */
export interface CallAnswer {
  readonly ok: boolean;
  readonly text: string;
}

/**
 * Uses a handle for a script. The gate behind the handle decides and records, as for every action; nothing but
 * plain data and the words of our own errors goes back. Never rejects.
 *
 * @param folder absolute: where relative paths of the script begin.
 * @param args JSON text of an array, from the sandbox: not believed to be that.
 * @param textMax UTF-16 units of the answer.
 */
export async function useHandle(
  handles: Handles,
  folder: string,
  method: string,
  args: string,
  textMax: number,
): Promise<CallAnswer> {
  try {
    const use = uses.get(method);
    const given = copyJson(JSON.parse(args));
    if (use === undefined || !isJsonArray(given)) throw new TypeError("not a call of a handle");
    const at: At = (path) => fromWorkingFolder(folder, path) as Argument;
    const text = JSON.stringify(copyJson(await use(handles, at, given[0], given[1])));
    if (text.length <= textMax) return { ok: true, text };
    throw new EffectFailedError("too_large", `the answer is larger than ${textMax} characters`);
  } catch (error) {
    return { ok: false, text: JSON.stringify(shown(error)) };
  }
}

/** Their words name links of the policy or places of the log, which are the operator's (SEMANTICS D3). */
const operatorsCodes: ReadonlySet<string> = new Set(["revoked_while_running", "audit_unavailable"]);

function shown(error: unknown): { name: string; code: string; message: string } {
  if (!(error instanceof SynapseError)) {
    return { name: "Error", code: "failed", message: "the handle could not be used" };
  }
  const { name, code } = error;
  return {
    name,
    code,
    message: operatorsCodes.has(code) ? `this step was stopped (${code})` : error.message,
  };
}
