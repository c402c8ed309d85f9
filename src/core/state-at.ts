import { changesOf } from "../model/change.js";
import { NotFoundError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { State } from "../model/state.js";
import type { LogImage } from "./log-image.js";
import { eventsOfTypes } from "./log-reader.js";

/** Types of events that change the answer of a decision. */
const decisive: ReadonlySet<string> = new Set([
  "capability_created",
  "capability_revoked",
  "binding_created",
  "binding_revoked",
  "agent_suspended",
  "agent_unsuspended",
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

/** @throws NotFoundError when the log has no such event. */
export function eventAt(image: Pick<LogImage, "events">, seq: number): AuditEvent {
  const [row] = image.events(seq - 1, 1);
  if (row?.seq !== seq) throw new NotFoundError("event", String(seq));
  return JSON.parse(new TextDecoder().decode(row.doc)) as AuditEvent;
}

function isOfStep(kind: string): boolean {
  return kind === "open" || kind === "close";
}
