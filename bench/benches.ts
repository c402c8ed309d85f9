import { bindings } from "./decide/bindings.js";
import { decide } from "./decide/decide.js";
import { many } from "./decide/many.js";
import { gateway } from "./gateway/gateway.js";
import { replay } from "./replay/replay.js";
import { whatIf } from "./replay/what-if.js";
import { script } from "./script/script.js";
import { start } from "./start/start.js";
import type { Bench } from "./harness/bench.js";
import { memory } from "./memory/memory.js";
import { growth } from "./growth/growth.js";
import { inMemory } from "./step/in-memory.js";
import { step } from "./step/step.js";
import { workflow } from "./workflow/workflow.js";
import { verify } from "./verify/verify.js";

/** Every bench there is, in the order in which they run. */
export const benches: readonly Bench[] = [
  decide,
  many,
  bindings,
  script,
  start,
  whatIf,
  replay,
  step,
  inMemory,
  workflow,
  growth,
  gateway,
  verify,
  memory,
];
