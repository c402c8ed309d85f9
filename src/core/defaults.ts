import { randomUUID } from "node:crypto";
import type { Clock, IdSource } from "./ports.js";

export const systemClock: Clock = Object.freeze({ now: () => Date.now() });

/**
 * RFC 9562 version 7 after the kind: the time first, then 74 random bits. Ids of events that follow each other lie
 * beside each other in the store's index, so that an append touches one page of it however long the log is.
 */
export const systemIds: IdSource = Object.freeze({
  next: (kind: string) => `${kind}_${timePart(Date.now())}-7${randomUUID().slice(15)}`,
});

let last = { at: NaN, text: "" };

/** The 48 bits of time as they stand in an id; many ids are made in one millisecond. */
function timePart(at: number): string {
  if (last.at !== at) {
    const hex = at.toString(16).padStart(12, "0");
    last = { at, text: `${hex.slice(0, 8)}-${hex.slice(8)}` };
  }
  return last.text;
}
