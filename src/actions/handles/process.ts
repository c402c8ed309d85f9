import type {
  EffectGate,
  EffectGrant,
  ProcessHandle,
  ProcessResult,
  ProtectedFiles,
} from "../../core/ports.js";
import { capability } from "../../model/capability/index.js";
import { EffectDeniedError } from "../../model/errors.js";
import { textOrBytes } from "./content.js";
import { openAdmitted } from "./fs-admission.js";
import { platformConfinement } from "./fs-confinement.js";
import { toFsFailure } from "./fs-failure.js";
import type { Place } from "./fs-place.js";
import { resolveProgram } from "./process-program.js";
import { readProcessCall, type ProcessCall } from "./process-request.js";
import { runProgram } from "./process-run.js";

export interface ProcessOptions {
  /** Folders in which program names are looked up, absolute. Default: the system's own. */
  readonly path?: readonly string[];
  /** Absolute; where programs run that are given no `cwd`. */
  readonly workingFolder: string;
  /** Of standard output, and as much of standard error. Default 4 MiB. */
  readonly outputBytesMax?: number;
  readonly protectedFiles: ProtectedFiles;
}

/** Where programs are looked for. Never this process' own PATH: whoever started it may have changed that. */
export const systemPath: readonly string[] = Object.freeze([
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
]);

/**
 * The `os` powers of one step (SEMANTICS H6): no shell, arguments as they are, a fixed environment
 * (`PATH`, `LANG=C.UTF-8`, `LC_ALL=C.UTF-8`, `TZ=UTC`, `HOME=/nonexistent`, nothing else), standard input
 * empty, a process group of its own. What runs has the operator's powers.
 *
 * Besides what the gate throws: CapabilitySyntaxError or InvalidDataError for a malformed request;
 * EffectDeniedError `secret_in_arguments`, `writable_program`, `protected_file`, `special_file`;
 * EffectFailedError `program_not_found`, `not_executable`, `spawn_failed`, `too_large`, `cancelled`, and for
 * the folder `not_found`, `not_a_folder`, `permission_denied`. An exit code other than 0 is a result.
 */
export function createProcessHandle(gate: EffectGate, options: ProcessOptions): ProcessHandle {
  const { path = systemPath, workingFolder, outputBytesMax = 4 * 1024 * 1024, protectedFiles } = options;
  const relative = [workingFolder, ...path].find((folder) => !folder.startsWith("/"));
  if (relative !== undefined) throw new TypeError(`folder is not absolute: \`${relative}\``);
  const settings: Settings = { path: [...path], outputBytesMax, protectedFiles };
  return Object.freeze({
    async run(argument: unknown): Promise<ProcessResult> {
      const call = readProcessCall(argument, workingFolder);
      const use = {
        kind: "process.run",
        capabilities: [capability("os", "process", call.program), capability("fs", "list", call.cwd)],
        request: { program: call.program, args: call.args, cwd: call.cwd },
      };
      return gate.perform(use, (grant) => run(call, settings, grant, gate.signal));
    },
  });
}

type Settings = Required<Omit<ProcessOptions, "workingFolder">>;

async function run(
  call: ProcessCall,
  { path, outputBytesMax, protectedFiles }: Settings,
  grant: EffectGrant,
  signal: AbortSignal,
): Promise<ProcessResult> {
  refuseSecrets(call);
  const program = await resolveProgram(call.program, path, grant, protectedFiles);
  const folder = await openFolder(call.cwd, grant, protectedFiles, signal);
  try {
    const { exitCode, stdout, stderr } = await runProgram(
      {
        file: program.file,
        argv0: program.entry,
        args: call.args,
        // By descriptor: the child enters the folder that was checked, whatever has its name by now.
        cwd: folder.child("."),
        env: environment(path),
      },
      { outputBytesMax, totalBytesMax: grant.bytesMax },
      signal,
    );
    return Object.freeze({ exit_code: exitCode, stdout: textOrBytes(stdout), stderr: textOrBytes(stderr) });
  } finally {
    await folder.close();
  }
}

/** Arguments are shown to every user of the machine by ps(1), and programs like to repeat them in errors. */
function refuseSecrets({ program, args, cwd }: ProcessCall): void {
  if (![program, cwd, ...args].some((text) => text.includes("secret://"))) return;
  throw new EffectDeniedError("secret_in_arguments", "a secret may not stand in the arguments of a program", {
    hint: "other users of the machine can read them; give it a file",
  });
}

async function openFolder(
  cwd: string,
  grant: EffectGrant,
  protectedFiles: ProtectedFiles,
  signal: AbortSignal,
): Promise<Place> {
  const use = { confinement: platformConfinement(), grant, signal, protectedFiles, bytesMax: 0 };
  try {
    return await openAdmitted(use, "list", cwd, { folder: true });
  } catch (error) {
    throw toFsFailure(error, cwd);
  }
}

function environment(path: readonly string[]): { readonly [name: string]: string | undefined } {
  return {
    PATH: path.join(":"),
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    HOME: "/nonexistent",
    // Node hands its own value down to every child that does not have this name; undefined is not handed.
    NODE_V8_COVERAGE: undefined,
  };
}
