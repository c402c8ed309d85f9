import type { AuditMechanism } from "../core/audit.js";
import type { EventFilter } from "../core/store.js";
import type { AuditEvent } from "../model/event.js";

const pageEvents = 1_000;

/** The events after `seq` in log order, a page at a time: a log of any length in bounded memory. */
export async function* eventsFrom(
  audit: AuditMechanism,
  filter: EventFilter,
  seq: number,
): AsyncGenerator<readonly AuditEvent[]> {
  let after = seq;
  for (;;) {
    const page = await audit.getEvents({ ...filter, after, limit: pageEvents });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < pageEvents) return;
    after = last.seq;
  }
}

/** The `seq` after which the newest `count` events lie. */
export async function newestStart(
  audit: AuditMechanism,
  filter: EventFilter,
  count: number,
): Promise<number> {
  if (count <= pageEvents) {
    const [oldest] = await audit.getEvents({ ...filter, newest: true, limit: count });
    return oldest === undefined ? 0 : oldest.seq - 1;
  }
  const [newest] = await audit.getEvents({ newest: true, limit: 1 });
  if (newest === undefined || count >= newest.seq) return 0;
  // Too many to hold: only their numbers are kept, in a ring.
  const ring = new Float64Array(count);
  let seen = 0;
  for await (const page of eventsFrom(audit, filter, 0)) {
    for (const event of page) ring[seen++ % count] = event.seq;
  }
  return seen < count ? 0 : (ring[seen % count] ?? 1) - 1;
}
