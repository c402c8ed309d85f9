import { authorityEvents, changesOf } from "../model/change.js";
import { State } from "../model/state.js";
import type { LogImage } from "./log-image.js";
import { eventAt, eventsOfTypes } from "./log-reader.js";

/** Types of events that change the answer of a decision. */
const decisive: ReadonlySet<string> = new Set([
  ...authorityEvents,
  "step_execution_authorized",
  "capability_checked",
]);

/**
 * The state of authority after the first `seq` events of the log: the policy of that moment, counters included.
 * Which steps were open then is not in it.
 *
 * @throws StoreError `database_damaged`; NotFoundError when the log is shorter.
 */
export async function stateAt(image: LogImage, seq: number): Promise<State> {
  const state = new State();
  const last = seq === 0 ? undefined : eventAt(image, seq);
  for await (const page of eventsOfTypes(image, decisive)) {
    for (const event of page) {
      if (event.seq > seq) break;
      for (const change of changesOf(event)) if (!isOfStep(change.kind)) state.apply(change);
    }
    if ((page.at(-1)?.seq ?? 0) >= seq) break;
  }
  state.seq = seq;
  if (last !== undefined) state.lastTime = Date.parse(last.timestamp);
  return state;
}

/** How many events of the log are not younger than `at` (ms). Timestamps never decrease (SEMANTICS D8). */
export function eventsUntil(image: LogImage, at: number): number {
  let [low, high] = [0, image.eventCount()];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (Date.parse(eventAt(image, middle).timestamp) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isOfStep(kind: string): boolean {
  return kind === "open" || kind === "close";
}
