import { randomUUID } from "node:crypto";
import type { Clock, IdSource } from "./ports.js";

export const systemClock: Clock = Object.freeze({ now: () => Date.now() });

/**
 * RFC 9562 version 7 after the kind: the time first, then 74 random bits. Ids of events that follow each other lie
 * beside each other in the store's index, so that an append touches one page of it however long the log is.
 */
export const systemIds: IdSource = Object.freeze({
  next: (kind: string) => {
    const time = Date.now().toString(16).padStart(12, "0");
    return `${kind}_${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
  },
});
