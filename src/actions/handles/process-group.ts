import { systemCode } from "./fs-failure.js";

/**
 * Kills every process of a group, which has the number of the program that was started to lead it.
 *
 * Best effort: a process that called setsid(2) is in another group, and one with another user's powers
 * (a setuid program) is not ours to kill. Neither can be reported by whoever is being killed.
 */
export function killGroup(leader: number): void {
  // 0, 1 and negative numbers mean our own group, or everybody.
  if (!Number.isSafeInteger(leader) || leader <= 1)
    throw new TypeError(`${leader} is no process group of ours`);
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    const code = systemCode(error);
    // ESRCH: nobody is left. EPERM: nobody whom we may signal, or (macOS) only zombies are left.
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
