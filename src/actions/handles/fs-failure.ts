import { EffectDeniedError, EffectFailedError, SynapseError } from "../../model/errors.js";

/**
 * System errors as the closed set of codes of the `fs` handle. The text is built from the asked path
 * alone, since the system's own text holds descriptor numbers and temporary names, which would make
 * equal runs differ (SEMANTICS R1); for the same reason the system's error is not attached.
 */
export function toFsFailure(error: unknown, path: string): unknown {
  if (error instanceof SynapseError) return error;
  const errno = systemCode(error);
  if (errno === undefined) return error;
  const [code, text] = FAILURES.get(errno) ?? ["io_error", `cannot be used (${errno})`];
  return new EffectFailedError(code, `\`${path}\` ${text}`, { hint: HINTS.get(code) });
}

/** The system's name of an error (`ENOENT`), or undefined for anything that did not come from a system call. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * The error to throw after `cleanUp`: the first one, since that is why the use failed. When cleaning up
 * fails too, it says so in its hint.
 */
export async function afterCleanup(
  error: unknown,
  path: string,
  cleanUp: () => Promise<void>,
): Promise<unknown> {
  try {
    await cleanUp();
    return error;
  } catch (leftover) {
    if (systemCode(leftover) === undefined) throw leftover;
    const failure = toFsFailure(error, path);
    if (!(failure instanceof SynapseError)) return failure;
    const Kind = failure instanceof EffectDeniedError ? EffectDeniedError : EffectFailedError;
    const hint = "a temporary file or an empty folder of this write could not be removed";
    return new Kind(failure.code, failure.message, { hint });
  }
}

/** The step was stopped: deadline, cancel, or the end of the authority; the gate knows which. */
export function assertRunning(signal: AbortSignal, path: string): void {
  if (signal.aborted) throw new EffectFailedError("cancelled", `the use of \`${path}\` was stopped`);
}

const FAILURES: ReadonlyMap<string, readonly [code: string, text: string]> = new Map([
  ["ENOENT", ["not_found", "does not exist"]],
  ["ELOOP", ["not_found", "leads round in a circle of symlinks"]],
  ["ENOTDIR", ["not_a_folder", "is not a folder, or leads through something that is not one"]],
  ["EISDIR", ["not_a_file", "is a folder"]],
  ["ENOTEMPTY", ["folder_not_empty", "is a folder with something in it"]],
  ["EACCES", ["permission_denied", "may not be used by the user this runs as"]],
  ["EPERM", ["permission_denied", "may not be used by the user this runs as"]],
  ["ENOSPC", ["disk_full", "does not fit on its file system"]],
  ["EDQUOT", ["disk_full", "does not fit in the quota of its file system"]],
  ["EFBIG", ["too_large", "is larger than its file system allows"]],
  ["EROFS", ["read_only", "is on a read-only file system"]],
  ["ENAMETOOLONG", ["io_error", "has a name that is too long for its file system"]],
  ["EBUSY", ["io_error", "is in use by the system"]],
]);

const HINTS: ReadonlyMap<string, string> = new Map([
  ["permission_denied", "the operating system refused it; the capability covers it"],
  ["folder_not_empty", "deleting never recurses: delete what is inside first"],
]);
