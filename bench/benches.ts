import { bindings } from "./decide/bindings.js";
import { decide } from "./decide/decide.js";
import { many } from "./decide/many.js";
import type { Bench } from "./harness/bench.js";
import { script } from "./script/script.js";
import { step } from "./step/step.js";

/** Every bench there is, in the order in which they run. */
export const benches: readonly Bench[] = [
  decide,
  many,
  bindings,
  script,
  //
  step,
];
