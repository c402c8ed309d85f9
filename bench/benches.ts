import { decide } from "./decide/decide.js";
import type { Bench } from "./harness/bench.js";
import { memory } from "./memory/memory.js";
import { step } from "./step/step.js";
import { verify } from "./verify/verify.js";

/** Every bench there is, in the order in which they run. */
export const benches: readonly Bench[] = [
  decide,
  //
  step,
  //
  verify,
  //
  memory,
];
