import type { Handles } from "../../core/ports.js";
import { copyJson } from "../../model/copy-json.js";
import { EffectFailedError, SynapseError } from "../../model/errors.js";
import { isJsonArray, type JsonValue } from "../../model/json.js";

type Argument = JsonValue | undefined;
type Use = (handles: Handles, first: Argument, second: Argument) => Promise<unknown>;

/** Arguments are what a script gave. Every handle checks its own at its door, so their types are not believed here. */
const asGiven = (value: Argument): never => value as never;

const uses: ReadonlyMap<string, Use> = new Map<string, Use>([
  ["fs.read", ({ fs }, path) => fs.read(asGiven(path))],
  ["fs.write", ({ fs }, path, content) => fs.write(asGiven(path), asGiven(content))],
  ["fs.list", ({ fs }, path) => fs.list(asGiven(path))],
  ["fs.delete", ({ fs }, path) => fs.delete(asGiven(path))],
  ["http.request", ({ http }, request) => http.request(asGiven(request))],
  ["process.run", ({ process }, request) => process.run(asGiven(request))],
  ["memory.get", ({ memory }, key) => memory.get(asGiven(key))],
  ["memory.set", ({ memory }, key, value) => memory.set(asGiven(key), asGiven(value))],
]);

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
 * @param args JSON text of an array, from the sandbox: not believed to be that.
 * @param textMax UTF-16 units of the answer.
 */
export async function useHandle(
  handles: Handles,
  method: string,
  args: string,
  textMax: number,
): Promise<CallAnswer> {
  try {
    const use = uses.get(method);
    const given = copyJson(JSON.parse(args));
    if (use === undefined || !isJsonArray(given)) throw new TypeError("not a call of a handle");
    const text = JSON.stringify(copyJson(await use(handles, given[0], given[1])));
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
