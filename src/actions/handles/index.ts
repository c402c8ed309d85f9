import { closeClass } from "../../core/close-class.js";
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
  const { protectedFiles, workingFolder } = options;
  const limits: Limits = {
    ...options,
    fs: { ...options.fs, protectedFiles },
    process: { ...options.process, workingFolder, protectedFiles },
  };
  return (gate) => finished(new StepHandles(gate, limits));
}

interface Limits extends Pick<HandleOptions, "http" | "memory" | "mcp"> {
  readonly fs: Parameters<typeof createFsHandle>[1];
  readonly process: ProcessOptions;
}

class StepHandles implements Handles {
  readonly #gate: EffectGate;
  readonly #limits: Limits;
  // Private: what is put on an object passes a setter that somebody may have put on its prototype.
  #fs: Handles["fs"] | undefined;
  #http: Handles["http"] | undefined;
  #process: Handles["process"] | undefined;
  #memory: Handles["memory"] | undefined;
  #mcp: Handles["mcp"] | undefined;

  constructor(gate: EffectGate, limits: Limits) {
    this.#gate = gate;
    this.#limits = limits;
  }

  get fs(): Handles["fs"] {
    return (this.#fs ??= createFsHandle(this.#gate, this.#limits.fs));
  }

  get http(): Handles["http"] {
    return (this.#http ??= createHttpHandle(this.#gate, this.#limits.http));
  }

  get process(): Handles["process"] {
    return (this.#process ??= createProcessHandle(this.#gate, this.#limits.process));
  }

  get memory(): Handles["memory"] {
    return (this.#memory ??= createMemoryHandle(this.#gate, this.#limits.memory));
  }

  get mcp(): Handles["mcp"] {
    return (this.#mcp ??= createMcpHandle(this.#gate, this.#limits.mcp));
  }
}

const finished = closeClass(StepHandles);

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
