import type { Action } from "../core/action.js";
import { fsActions } from "./fs.js";
import { httpActions } from "./http.js";
import { mcpActions } from "./mcp.js";
import { memoryActions } from "./memory.js";
import { processActions } from "./process.js";
import { scriptActions } from "./script.js";

/** The actions that come with the package; each touches the world only through its handles. */
export const builtinActions = Object.freeze({
  fs: fsActions,
  http: httpActions,
  process: processActions,
  memory: memoryActions,
  script: scriptActions,
  mcp: mcpActions,
});

export const allBuiltinActions: readonly Action[] = Object.freeze(
  Object.values(builtinActions).flatMap((domain): Action[] => Object.values(domain)),
);
