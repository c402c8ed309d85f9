import { decide } from "./decide/decide.js";
import type { Bench } from "./harness/bench.js";

/** Every bench there is, in the order in which they run. */
export const benches: readonly Bench[] = [decide];
