import { StoreError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import type { LogImage } from "./log-image.js";

const pageSize = 1_000;

/**
 * The events of some types, in log order, a page of rows in memory at a time. Between pages other work of the
 * process goes on, an interrupt among it.
 *
 * @param onProgress told after each page how many rows of how many were looked at.
 * @throws StoreError `database_damaged` for a row that is no event; whatever `signal` was aborted with.
 */
export async function* eventsOfTypes(
  image: Pick<LogImage, "documents" | "eventCount">,
  types: ReadonlySet<string>,
  options: {
    readonly onProgress?: ((done: number, of: number) => void) | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): AsyncGenerator<readonly AuditEvent[]> {
  // Parsing costs most. No quote stands unescaped inside a JSON string, so what lacks this is of another type.
  const wanted = new RegExp(`"event":"(?:${[...types].join("|")})"`);
  const total = image.eventCount();
  for (let seq = 0, rows = 0; ;) {
    const page = image.documents(seq, pageSize);
    const last = page.at(-1);
    if (last === undefined) return;
    [seq] = last;
    rows += page.length;
    const found: AuditEvent[] = [];
    for (const [number, text] of page) {
      if (typeof text !== "string") throw damaged(number);
      if (!wanted.test(text)) continue;
      const event = parse(text, number);
      if (types.has(event.event)) found.push(event);
    }
    if (found.length > 0) yield found;
    options.onProgress?.(rows, total);
    await new Promise((resolve) => setImmediate(resolve));
    options.signal?.throwIfAborted();
  }
}

function parse(text: string, seq: number): AuditEvent {
  try {
    return JSON.parse(text) as AuditEvent;
  } catch (cause) {
    throw damaged(seq, cause);
  }
}

function damaged(seq: number, cause?: unknown): StoreError {
  return new StoreError("database_damaged", `event ${seq} is no JSON document`, {
    hint: "`synapse audit verify` says whether the log is as it was written",
    cause,
  });
}
