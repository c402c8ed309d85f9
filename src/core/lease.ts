import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Who writes to a store, so that others can tell a step that runs elsewhere from one whose process is gone. */
export interface Lease {
  /** One open pipeline; never used again. */
  readonly writer: string;
  readonly pid: number;
  /** When that process started, in clock ticks since boot (proc_pid_stat(5), field 22); empty where that is not known. */
  readonly started: string;
  /** The machine's name, for people. */
  readonly host: string;
  /** Boot and process namespace in which `pid` means something; empty where that is not known. */
  readonly boot: string;
  /** Milliseconds since the Unix epoch, by the writer's wall clock. */
  readonly renewedAt: number;
}

/** How often a lease is renewed … */
export const renewMs = 10_000;
/** … and for how long a writer that cannot be looked at is believed to live. */
const aliveMs = 30_000;

/** A lease for this process under a new name. */
export function newLease(): Lease {
  return Object.freeze({
    writer: `writer_${randomUUID()}`,
    pid: process.pid,
    started: startOf(process.pid) ?? "",
    host: hostname(),
    boot: bootAndNamespace(),
    renewedAt: Date.now(),
  });
}

/**
 * Whether the writer of a lease lives. On the same boot and process namespace the kernel is asked: a process
 * with that id and that start; an id alone may be another program's by now. Elsewhere its renewals are believed.
 */
export function isAlive(lease: Lease, now: number = Date.now()): boolean {
  if (lease.boot !== "" && lease.boot === bootAndNamespace() && !isHidden(lease.pid))
    return startOf(lease.pid) === lease.started;
  // A clock that is ahead or behind by more than that makes nobody live for ever.
  return Math.abs(now - lease.renewedAt) <= aliveMs;
}

/** Which of the writers live. */
export function livingWriters(leases: readonly Lease[]): Set<string> {
  return new Set(leases.filter((lease) => isAlive(lease)).map(({ writer }) => writer));
}

/** Undefined when there is no such process, or none that can be seen. */
function startOf(pid: number): string | undefined {
  const stat = readOrNothing(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  // The name in parentheses may hold anything, spaces and parentheses too; fields are counted behind it.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie has ended: it waits to be asked for its exit code and writes no more.
  return fields?.[0] === "Z" || fields?.[0] === "X" ? undefined : fields?.[19];
}

/** Another user's process under `hidepid` (proc(5)): it exists, and its start cannot be read. */
function isHidden(pid: number): boolean {
  if (readOrNothing(() => readFileSync(`/proc/${pid}/stat`, "latin1")) !== undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function bootAndNamespace(): string {
  const boot = readOrNothing(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim());
  const namespace = readOrNothing(() => readlinkSync("/proc/self/ns/pid"));
  return boot === undefined || namespace === undefined ? "" : `${boot} ${namespace}`;
}

/** Undefined where the kernel does not say: no such process, or no Linux. Then renewals are believed. */
function readOrNothing(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}
