import { closeSync, constants, openSync, readdirSync, readFileSync } from "node:fs";
import { systemCode } from "./fs-failure.js";

/** open(2), Linux on the common architectures; Node has no constant for it. */
const O_CLOEXEC = 0o2000000;

type Stdio = ("ignore" | "pipe" | number)[];

/**
 * The descriptors of a child: empty standard input, two pipes, and nothing else.
 *
 * Node marks all that it opens close-on-exec, and of what it was itself started with only the low
 * numbers. A pipe that a service manager left open at 251 would go on to every program: such numbers
 * become /dev/null. They are looked for once in the life of this process.
 */
export function withChildStdio<T>(start: (stdio: Stdio) => T): T {
  const stdio: Stdio = ["ignore", "pipe", "pipe"];
  const leaked = (inherited ??= inheritedDescriptors());
  if (leaked.length === 0) return start(stdio);
  const nothing = openSync("/dev/null", constants.O_RDWR);
  try {
    for (const descriptor of leaked) stdio[descriptor] = nothing;
    // To Node, `ignore` above 2 means: leave alone.
    return start(Array.from(stdio, (entry: Stdio[number] | undefined) => entry ?? "ignore"));
  } finally {
    closeSync(nothing);
  }
}

let inherited: readonly number[] | undefined;

/** Numbers above 2 that a child would get. Without /proc (other platforms) it is not known: none. */
function inheritedDescriptors(): readonly number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && isInherited(descriptor));
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch (error) {
    // The descriptor of the listing itself, closed by now.
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}
