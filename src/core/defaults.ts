import { randomFillSync } from "node:crypto";
import type { Clock, IdSource } from "./ports.js";

export const systemClock: Clock = Object.freeze({ now: () => Date.now() });

/**
 * RFC 9562 version 7 after the kind: the time first, then 74 random bits. Ids of events that follow each other lie
 * beside each other in the store's index, so that an append touches one page of it however long the log is.
 */
export const systemIds: IdSource = Object.freeze({
  next: (kind: string) => `${kind}_${timePart(Date.now())}-7${randomPart()}`,
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

/** Nibbles as they stand behind the version: twelve bits, two of the variant (binary 10) with two more, and sixty. */
const shape = "xxx-vxxx-xxxxxxxxxxxx";
const digits = Buffer.from("0123456789abcdef", "latin1");
const written = Buffer.from(shape, "latin1");

const random = Buffer.alloc(4_096);
let used = random.length;

/** Written in place and read once: put together of its parts it would be as many texts, several times in each step. */
function randomPart(): string {
  if (used + shape.length > random.length) {
    randomFillSync(random);
    used = 0;
  }
  for (let at = 0; at < shape.length; at++) {
    const byte = random[used + at] ?? 0;
    if (shape[at] === "x") written[at] = digits[byte & 15] ?? 0;
    else if (shape[at] === "v") written[at] = digits[8 | (byte & 3)] ?? 0;
  }
  random.fill(0, used, (used += shape.length));
  return written.toString("latin1");
}
