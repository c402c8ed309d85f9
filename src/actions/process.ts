import { defineAction } from "../core/action.js";
import type { ProcessRequest } from "../core/ports.js";
import { capability } from "../model/capability/index.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { fromWorkingFolder } from "./working-path.js";

type RunParams = ProcessRequest & JsonObject;

/** Programs through the `os` handle (SEMANTICS H6). */
export const processActions = Object.freeze({
  /** `{program, args?, cwd?}` gives `{exit_code, stdout, stderr}`. */
  run: defineAction<RunParams>({
    name: "process.run",
    params: {
      type: "object",
      properties: {
        program: { type: "string", minLength: 1, maxLength: 1_024 },
        args: { type: "array", items: { type: "string" }, maxItems: 1_024 },
        cwd: { type: "string", minLength: 1 },
      },
      required: ["program"],
      additionalProperties: false,
    },
    // Filled in before the parameters are frozen, so that constraints see what really runs and where (H6).
    prepare: (params, { workingFolder }) => ({
      ...params,
      args: params.args ?? [],
      cwd: fromWorkingFolder(workingFolder, params.cwd ?? workingFolder) as JsonValue,
    }),
    requires: (params) => [
      capability("os", "process", params.program),
      capability("fs", "list", params.cwd ?? "/"),
    ],
    replayable: true,
    run: (params, handles) => handles.process.run(params),
  }),
});
