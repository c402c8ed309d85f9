import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./sync-process.js", import.meta.url));

/**
 * How often a step waits for the disk: the calls of fsync and fdatasync (fsync(2)) of a process that takes many steps,
 * less those of one that takes few, as the kernel is asked for them.
 *
 * @returns calls a step; undefined where there is no strace.
 */
export function syncsPerStep(folder: string): number | undefined {
  const [few, many] = [50, 250];
  const counts = [few, many].map((steps) => syncsOf(folder, steps));
  const [before, after] = counts;
  return before === undefined || after === undefined ? undefined : (after - before) / (many - few);
}

function syncsOf(folder: string, steps: number): number | undefined {
  const trace = join(folder, `trace-${steps}`);
  const args = ["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace, process.execPath, program, folder];
  const { error, status, stderr } = spawnSync("strace", [...args, String(steps)], { encoding: "utf8" });
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
  if (status !== 0) throw new Error(`the traced steps ended with ${status}: ${stderr}`);
  // A call that another thread interrupts is told in two lines; the second one has no name in front.
  return readFileSync(trace, "utf8").match(/ f(data)?sync\(/g)?.length ?? 0;
}
