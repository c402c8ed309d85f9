import { NotFoundError, StoreError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { isJsonObject, type JsonValue } from "../model/json.js";
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

/**
 * All events in log order up to number `last`, a page at a time: a long log does not have to fit into memory.
 * @throws StoreError `database_damaged` for a row that is missing or no event.
 */
export function* eventsOf(
  image: Pick<LogImage, "documents">,
  last: number,
  after = 0,
): Generator<AuditEvent> {
  let seq = after;
  while (seq < last) {
    const page = image.documents(seq, Math.min(pageSize, last - seq));
    if (page.length === 0) throw damaged(seq + 1);
    for (const [number, text] of page) {
      if (number !== seq + 1 || typeof text !== "string") throw damaged(seq + 1);
      yield parse(text, number);
      seq = number;
    }
  }
}

/** @throws NotFoundError when the log has no such event; StoreError `database_damaged`. */
export function eventAt(image: Pick<LogImage, "documents">, seq: number): AuditEvent {
  const [row] = image.documents(seq - 1, 1);
  if (row?.[0] !== seq) throw new NotFoundError("event", String(seq));
  if (typeof row[1] !== "string") throw damaged(seq);
  return parse(row[1], seq);
}

function parse(text: string, seq: number): AuditEvent {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw damaged(seq, cause);
  }
  if (!isJsonObject(value)) throw damaged(seq);
  return value as AuditEvent;
}

function damaged(seq: number, cause?: unknown): StoreError {
  return new StoreError("database_damaged", `event ${seq} is missing, or no JSON document`, {
    hint: "`synapse audit verify` says whether the log is as it was written",
    cause,
  });
}
