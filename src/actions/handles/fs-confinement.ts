import { bestEffortConfinement } from "./fs-best-effort.js";
import { kernelConfinement } from "./fs-kernel.js";
import type { Confinement } from "./fs-place.js";

/**
 * How well the `fs` handle is confined here (SEMANTICS H3: a weaker mode is declared, not hidden).
 * `kernel`: races are lost by the attacker. `best_effort`: a process that swaps folders can win them.
 * Linux is always `kernel`: without /proc the handle refuses to work.
 */
export function fsConfinement(): "kernel" | "best_effort" {
  return process.platform === "linux" ? "kernel" : "best_effort";
}

export function platformConfinement(): Confinement {
  return fsConfinement() === "kernel" ? kernelConfinement : bestEffortConfinement;
}
