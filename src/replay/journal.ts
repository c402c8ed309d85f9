import { blobKeyOf } from "../core/commitment.js";
import { sharedRecord } from "../core/shared-parts.js";
import type { AuditEvent } from "../model/event.js";
import { textMember } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import { type BlobReader, readRecorded, type Recorded } from "./blob-reader.js";

/** What a use of a handle came to, as the action was told. */
export type JournalAnswer =
  | { readonly kind: "answer"; readonly value: Recorded }
  | { readonly kind: "failure"; readonly code: string; readonly value: Recorded }
  | { readonly kind: "denial"; readonly code: string; readonly message: string };

/** What was asked, without what stands in the step's parameters as well (core/shared-parts.ts). */
export interface RecordedRequest {
  readonly ref: string;
  readonly value: Recorded;
  /** Undefined: it shares nothing. */
  readonly places: readonly string[] | undefined;
}

/** One use of a handle, as the log tells it (SEMANTICS H1). */
export interface JournalEntry {
  /** From 1, in the order in which the action asked. */
  readonly n: number;
  readonly effect: string;
  readonly capabilities: readonly string[];
  /** Undefined when it was refused before anything was attempted: then only its capabilities were recorded. */
  readonly request: RecordedRequest | undefined;
  /** Undefined: nobody knows; the process was gone, or the step was stopped, before it answered. */
  readonly answer: JournalAnswer | undefined;
}

/** Something that happened between an action and its handles. */
export interface Moment {
  readonly what: "asked" | "answered";
  readonly n: number;
}

/** The uses of handles of one step, and the order in which they were asked for and answered. */
export interface Journal {
  readonly entries: ReadonlyMap<number, JournalEntry>;
  /** In log order: a race in the action had this outcome. */
  readonly moments: readonly Moment[];
}

/** @param events the effect events of one request, in log order. */
export function readJournal(events: readonly AuditEvent[], read: BlobReader): Journal {
  // What an action returned after its step had ended is no use of a handle.
  const uses = events.filter(({ n, effect }) => typeof n === "number" && effect !== "result");
  const entries = new Map<number, JournalEntry>();
  const moments: Moment[] = [];
  // What is refused before it is attempted has no event for that it was asked: the numbers say when that was.
  const unasked = [...new Set(uses.map(({ n }) => n as number))].sort((a, b) => b - a);
  for (const event of uses) {
    const n = event["n"] as number;
    const before = entries.get(n);
    const entry = {
      n,
      effect: textMember(event, "effect"),
      capabilities: textList(event["capabilities"]),
      request: before?.request ?? requestOf(event, read),
    };
    while ((unasked.at(-1) ?? Infinity) <= n) moments.push({ what: "asked", n: unasked.pop() as number });
    if (event.event === "effect_attempted") {
      entries.set(n, { ...entry, answer: undefined });
      continue;
    }
    entries.set(n, { ...entry, answer: answerOf(event, read) });
    moments.push({ what: "answered", n });
  }
  return { entries, moments };
}

function requestOf(event: AuditEvent, read: BlobReader): JournalEntry["request"] {
  const key = blobKeyOf(event, "request_commitment");
  if (key === undefined) return undefined;
  const value = readRecorded(key, read);
  if (event["request_shares"] !== true || value.state !== "present")
    return { ref: key.ref, value, places: undefined };
  const parts = sharedRecord(value.value);
  if (parts === undefined) return { ref: key.ref, value: { state: "forged" }, places: undefined };
  return { ref: key.ref, value: { ...value, value: parts.request }, places: parts.places };
}

function answerOf(event: AuditEvent, read: BlobReader): JournalAnswer {
  if (event.event === "effect_denied") {
    return { kind: "denial", code: textMember(event, "reason"), message: textMember(event, "detail") };
  }
  const value = readRecorded(blobKeyOf(event, "answer_commitment"), read);
  return event["result"] === "success"
    ? { kind: "answer", value }
    : { kind: "failure", code: textMember(event, "code"), value };
}

function textList(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}
