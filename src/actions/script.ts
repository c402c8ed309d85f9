import { defineScriptAction } from "../core/action.js";
import { requirementsMax } from "../core/demand.js";
import type { Handles } from "../core/ports.js";
import { capability } from "../model/capability/index.js";
import { ScriptError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { fromWorkingFolder } from "./working-path.js";

interface LimitParams extends JsonObject {
  readonly deadline_ms: number;
  readonly memory_bytes: number;
  readonly output_characters: number;
  readonly calls: number;
}

interface ScriptParams extends JsonObject {
  readonly name: string;
  readonly input: JsonValue;
  readonly uses: readonly string[];
  readonly cwd: string;
  readonly limits: LimitParams;
}

/** Parameters before `prepare` has filled them in, and after it. */
type GivenParams = Partial<ScriptParams> & { readonly code?: string; readonly file?: string } & JsonObject;

const codeCharactersMax = 256 * 1024;

const defaultLimits: LimitParams = Object.freeze({
  deadline_ms: 60_000,
  memory_bytes: 64 * 1024 * 1024,
  output_characters: 4 * 1024 * 1024,
  calls: 1_000,
});

const between = (minimum: number, maximum: number): JsonObject => ({ type: "integer", minimum, maximum });

/** Untrusted JavaScript in a sandbox (SEMANTICS H5). */
export const scriptActions = Object.freeze({
  /**
   * `{name, code | file, input?, uses?, cwd?, limits?}` gives what the script returned.
   *
   * It requires `code:execute:<name>`, `fs:read:<file>` when the source is in a file, and every capability in
   * `uses`, each by a binding of its own (A5). What their bindings say in `params` and `when` is asked of the
   * arguments of each use of a handle (K). A file is read through the guard like any other, so its content is
   * an effect of this step.
   */
  run: defineScriptAction<GivenParams>({
    name: "script.run",
    params: {
      type: "object",
      properties: {
        name: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" },
        code: { type: "string", maxLength: codeCharactersMax },
        file: { type: "string", minLength: 1 },
        input: true,
        // Where relative paths begin, those in `uses` and those that the script gives to handles.
        cwd: { type: "string", minLength: 1 },
        // The name and the file take one requirement each.
        uses: { type: "array", items: { type: "string", minLength: 1 }, maxItems: requirementsMax - 2 },
        limits: {
          type: "object",
          properties: {
            deadline_ms: between(1, 3_600_000),
            memory_bytes: between(1024 * 1024, 512 * 1024 * 1024),
            output_characters: between(1, 16 * 1024 * 1024),
            calls: between(0, 10_000),
          },
          additionalProperties: false,
        },
      },
      required: ["name"],
      oneOf: [{ required: ["code"] }, { required: ["file"] }],
      additionalProperties: false,
    },
    // Filled in before the parameters are frozen: what bounds a script is part of what is decided and recorded.
    prepare: ({ name = "", code, file, input = null, uses = [], limits, cwd }, { workingFolder }) => {
      const folder = fromWorkingFolder(workingFolder, cwd ?? ".") as string;
      return {
        name,
        ...(code === undefined ? {} : { code }),
        ...(file === undefined ? {} : { file: fromWorkingFolder(workingFolder, file) as JsonValue }),
        input,
        uses: uses.map((use) => absoluteUse(use, folder)),
        cwd: folder,
        limits: { ...defaultLimits, ...limits },
      };
    },
    requires: ({ name = "", file, uses = [] }) => [
      capability("code", "execute", name),
      ...(file === undefined ? [] : [capability("fs", "read", file)]),
      ...uses,
    ],
    replayable: true,
    run: async (params, handles, env) => {
      const { name, input, cwd: folder, limits } = params as ScriptParams;
      const code = params.code ?? (await sourceOf(name, params.file ?? "", handles));
      // Loaded when the first script runs: a command that runs none does not wait for the engine.
      const { runScript } = await import("./sandbox/run-script.js");
      const request = {
        name,
        code,
        input,
        folder,
        limits: {
          deadlineMs: limits.deadline_ms,
          memoryBytes: limits.memory_bytes,
          textMax: limits.output_characters,
          callsMax: limits.calls,
        },
      };
      return runScript(request, handles, env);
    },
  }),
});

/**
 * `fs:read:./notes/**` lies in the folder, as in policies. The folder enters as literal text, so that its name
 * cannot ask for more (C7).
 */
function absoluteUse(text: string, folder: string): string {
  const relative = /^fs:([a-z]+):\.(?:\/(.*))?$/s.exec(text);
  if (relative?.[1] === undefined) return text;
  const base = capability("fs", relative[1], folder);
  return relative[2] === undefined || relative[2] === "" ? base : `${base.replace(/\/$/, "")}/${relative[2]}`;
}

async function sourceOf(name: string, file: string, handles: Handles): Promise<string> {
  const content = await handles.fs.read(file);
  if (!("text" in content)) throw new ScriptError("script_source", name, `\`${file}\` is not UTF-8 text`);
  if (content.text.length <= codeCharactersMax) return content.text;
  throw new ScriptError("script_source", name, `\`${file}\` is larger than ${codeCharactersMax} characters`);
}
