import type { AuditEvent } from "../model/event.js";
import { textMember } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import { type BlobReader, readRecorded, type Recorded } from "./blob-reader.js";

/** What a use of a handle came to, as the action was told. */
export type JournalAnswer =
  | { readonly kind: "answer"; readonly value: Recorded }
  | { readonly kind: "failure"; readonly code: string; readonly value: Recorded }
  | { readonly kind: "denial"; readonly code: string; readonly message: string };

/** One use of a handle, as the log tells it (SEMANTICS H1). */
export interface JournalEntry {
  /** From 1, in the order in which the action asked. */
  readonly n: number;
  readonly effect: string;
  readonly capabilities: readonly string[];
  /** Undefined when it was refused before anything was attempted: then only its capabilities were recorded. */
  readonly request: { readonly ref: string; readonly value: Recorded } | undefined;
  /** Undefined: nobody knows; the process was gone, or the step was stopped, before it answered. */
  readonly answer: JournalAnswer | undefined;
}

/** The uses of handles of one step, and the order in which they were answered. */
export interface Journal {
  readonly entries: ReadonlyMap<number, JournalEntry>;
  /** Numbers of those that were answered, in that order: a race in the action had this outcome. */
  readonly answered: readonly number[];
}

/** @param events the effect events of one request, in log order. */
export function readJournal(events: readonly AuditEvent[], read: BlobReader): Journal {
  const entries = new Map<number, JournalEntry>();
  const answered: number[] = [];
  for (const event of events) {
    const n = event["n"];
    // What an action returned after its step had ended is no use of a handle.
    if (typeof n !== "number" || event["effect"] === "result") continue;
    const before = entries.get(n);
    const entry = {
      n,
      effect: textMember(event, "effect"),
      capabilities: textList(event["capabilities"]),
      request: before?.request ?? requestOf(event, read),
    };
    if (event.event === "effect_attempted") {
      entries.set(n, { ...entry, answer: undefined });
      continue;
    }
    entries.set(n, { ...entry, answer: answerOf(event, read) });
    answered.push(n);
  }
  return { entries, answered };
}

function requestOf(event: AuditEvent, read: BlobReader): JournalEntry["request"] {
  const ref = event["request_commitment"];
  return typeof ref === "string" ? { ref, value: readRecorded(ref, read) } : undefined;
}

function answerOf(event: AuditEvent, read: BlobReader): JournalAnswer {
  if (event.event === "effect_denied") {
    return { kind: "denial", code: textMember(event, "reason"), message: textMember(event, "detail") };
  }
  const value = readRecorded(event["answer_commitment"], read);
  return event["result"] === "success"
    ? { kind: "answer", value }
    : { kind: "failure", code: textMember(event, "code"), value };
}

function textList(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}
