import type {
  EffectGate,
  HandleFactory,
  Handles,
  McpUpstreams,
  MemorySpace,
  ProtectedFiles,
} from "../../core/ports.js";
import { EffectDeniedError } from "../../model/errors.js";
import { createFsHandle } from "./fs.js";
import { createHttpHandle, type HttpOptions } from "./http.js";
import { createMcpHandle } from "./mcp.js";
import { createMemoryHandle } from "./memory.js";
import { createProcessHandle, type ProcessOptions } from "./process.js";

export interface HandleOptions {
  /** Files of the pipeline itself, which no handle reaches (SEMANTICS H2). */
  readonly protectedFiles: ProtectedFiles;
  /** Absolute; where programs run that are given no `cwd`. */
  readonly workingFolder: string;
  readonly memory: MemorySpace;
  readonly fs?: { readonly fileBytesMax?: number };
  readonly http?: HttpOptions;
  /** Who passes requests of the `mcp` handle on; default nobody. */
  readonly mcp?: McpUpstreams | undefined;
  readonly process?: Pick<ProcessOptions, "path" | "outputBytesMax">;
}

/**
 * What the guard makes the handles of every step with. The powers are the gate's; these are only limits. A handle is
 * made when the action first asks for it, since most use one.
 */
export function createHandleFactory(options: HandleOptions): HandleFactory {
  const { protectedFiles, workingFolder, memory } = options;
  const fsOptions = { ...options.fs, protectedFiles };
  const processOptions = { ...options.process, workingFolder, protectedFiles };
  return (gate: EffectGate) => {
    // In variables: what is put on an object passes a setter that somebody may have put on its prototype.
    let fs: Handles["fs"] | undefined;
    let http: Handles["http"] | undefined;
    let process: Handles["process"] | undefined;
    let space: Handles["memory"] | undefined;
    let mcp: Handles["mcp"] | undefined;
    return Object.freeze({
      get fs() {
        return (fs ??= createFsHandle(gate, fsOptions));
      },
      get http() {
        return (http ??= createHttpHandle(gate, options.http));
      },
      get process() {
        return (process ??= createProcessHandle(gate, processOptions));
      },
      get memory() {
        return (space ??= createMemoryHandle(gate, memory));
      },
      get mcp() {
        return (mcp ??= createMcpHandle(gate, options.mcp));
      },
    });
  };
}

/**
 * Handles for a replay: they read their arguments as those of a step do, and their gate answers before anything is
 * touched. Should one ever get past its gate, every file is protected and there is no memory.
 */
export function createReplayHandles(workingFolder: string): HandleFactory {
  const refuse = () => Promise.reject(new EffectDeniedError("replay_ended", "a replay reaches nothing"));
  return createHandleFactory({
    protectedFiles: Object.freeze({ covers: () => true }),
    workingFolder,
    memory: Object.freeze({ get: refuse, set: refuse }),
    http: { lookup: refuse },
    process: { path: [] },
  });
}
