import type { EffectGate, HandleFactory, MemorySpace, ProtectedFiles } from "../../core/ports.js";
import { createFsHandle } from "./fs.js";
import { createHttpHandle, type HttpOptions } from "./http.js";
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
  readonly process?: Pick<ProcessOptions, "path" | "outputBytesMax">;
}

/** What the guard makes the handles of every step with. The powers are the gate's; these are only limits. */
export function createHandleFactory(options: HandleOptions): HandleFactory {
  const { protectedFiles, workingFolder, memory } = options;
  return (gate: EffectGate) =>
    Object.freeze({
      fs: createFsHandle(gate, { ...options.fs, protectedFiles }),
      http: createHttpHandle(gate, options.http),
      process: createProcessHandle(gate, { ...options.process, workingFolder, protectedFiles }),
      memory: createMemoryHandle(gate, memory),
    });
}
