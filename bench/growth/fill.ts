import { canonicalJson } from "../../src/model/canonical.js";
import { changesOf } from "../../src/model/change.js";
import type { AuditEvent } from "../../src/model/event.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";

const batch = 30_000;

/**
 * Lets a log grow to so many events: the last step that was taken in it, over and over, under new numbers and ids. The
 * store does all that it does for a step, a batch at a time.
 */
export function fill(database: string, events: number, say: (line: string) => void): void {
  const driver = new SqliteDriver(database, { create: false });
  const last = driver.eventsAfter(driver.treeHead().size - 3);
  if (last.length !== 3) throw new Error("there is no step to make more of");
  let seq = last.at(-1)?.seq ?? 0;
  let id = 0;
  while (seq < events) {
    const tx = driver.begin();
    if (tx === undefined) throw new Error("somebody else writes");
    const until = Math.min(seq + batch, events);
    while (seq < until) {
      const request = idOf(++id);
      for (const event of last) {
        const isRequest = event.event === "step_execution_requested";
        const next = {
          ...event,
          id: isRequest ? request : idOf(++id),
          ...(isRequest ? {} : { request_id: request }),
          ...("state_seq" in event ? { state_seq: seq } : {}),
          seq: ++seq,
        } as AuditEvent;
        tx.append(next, canonicalJson(next), changesOf(next));
      }
    }
    tx.commit();
    if (seq % 1_000_000 < batch) say(`${seq.toLocaleString("en")} events`);
  }
  driver.close();
}

/** In order, like those that are given out. */
function idOf(n: number): string {
  return `evt_${n.toString(16).padStart(32, "0")}`;
}
