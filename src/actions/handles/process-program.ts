import { isUtf8 } from "node:buffer";
import { constants, type BigIntStats } from "node:fs";
import { access, lstat, readlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { EffectGrant, ProtectedFiles } from "../../core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../model/errors.js";
import { systemCode } from "./fs-failure.js";
import { toReachedCapability } from "./fs-path.js";

/** A program that may be started. */
export interface ResolvedProgram {
  /** The real file: no symlink in it. */
  readonly file: string;
  /** The name it was found under, absolute: what the program sees as its own (`argv[0]`). */
  readonly entry: string;
}

/** As Linux has it (path_resolution(7)). */
const symlinksMax = 40;
const nowhere = Symbol("nowhere");

/**
 * Finds the file that a name or an absolute path starts (SEMANTICS H6). Names are looked up in `path`,
 * folders of the operator, and nowhere else. As in execvp(3), entries that cannot be executed are passed.
 *
 * @throws EffectFailedError `program_not_found`, `not_executable`; EffectDeniedError `protected_file`,
 *   `writable_program`: this agent, or everybody, could put another program in its place.
 */
export async function resolveProgram(
  program: string,
  path: readonly string[],
  grant: EffectGrant,
  protectedFiles: ProtectedFiles,
): Promise<ResolvedProgram> {
  const entries = program.startsWith("/") ? [program] : path.map((folder) => join(folder, program));
  let found = false;
  for (const entry of entries) {
    const way = await resolveLinks(entry);
    if (way === undefined) continue;
    found = true;
    if (!(await isExecutableFile(way.file))) continue;
    await assertFixed(program, [entry, ...way.links, way.file], grant, protectedFiles);
    return { file: way.file, entry };
  }
  if (found) throw new EffectFailedError("not_executable", `\`${program}\` is not an executable file`);
  throw new EffectFailedError("program_not_found", `there is no program \`${program}\``, {
    hint: program.startsWith("/") ? undefined : "programs are looked for on the PATH of the pipeline only",
  });
}

/**
 * Follows a path one component at a time: where it ends, and every symlink passed on the way, since who
 * can write one of those decides what is started. Undefined when it leads nowhere.
 */
async function resolveLinks(path: string): Promise<{ file: string; links: readonly string[] } | undefined> {
  const links: string[] = [];
  let rest = path.split("/").filter((name) => name !== "");
  let real = "/";
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === ".") continue;
    if (name === "..") {
      real = dirname(real);
      continue;
    }
    const next = join(real, name);
    const target = await linkTarget(next);
    if (target === nowhere) return undefined;
    if (target === undefined) {
      real = next;
      continue;
    }
    links.push(next);
    if (links.length > symlinksMax) return undefined;
    rest = [...target.split("/").filter((part) => part !== ""), ...rest];
    if (target.startsWith("/")) real = "/";
  }
  return { file: real, links };
}

/** What a symlink says; undefined for anything else; `nowhere` when there is nothing that we can reach. */
async function linkTarget(path: string): Promise<string | typeof nowhere | undefined> {
  let target: Buffer;
  try {
    if (!(await lstat(path)).isSymbolicLink()) return undefined;
    target = await readlink(path, "buffer");
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return nowhere;
  }
  // What is not UTF-8 no capability can name (C5).
  return isUtf8(target) ? target.toString("utf8") : nowhere;
}

async function isExecutableFile(path: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

/** INVARIANT: what an agent may start it may not rewrite; else `os:process:git` would be any program. */
async function assertFixed(
  program: string,
  paths: readonly string[],
  grant: EffectGrant,
  protectedFiles: ProtectedFiles,
): Promise<void> {
  for (const path of new Set(paths)) {
    const { dev, ino, mode } = await factsOf(path, program);
    if (protectedFiles.covers({ path, dev, ino })) {
      throw new EffectDeniedError("protected_file", `\`${program}\` belongs to the pipeline itself`);
    }
    const byEverybody = (mode & 0o170002n) === 0o100002n;
    if (byEverybody || grant.agentHolds(toReachedCapability("write", path))) {
      throw new EffectDeniedError(
        "writable_program",
        `\`${program}\` leads to a file that this agent may write`,
        {
          hint: "run a program from a folder that no binding of this agent lets it write to",
        },
      );
    }
  }
}

async function factsOf(path: string, program: string): Promise<BigIntStats> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new EffectFailedError("program_not_found", `\`${program}\` went away while it was looked at`);
  }
}
