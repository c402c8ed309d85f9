import type { AuditEvent, EventBody } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import type { State } from "../model/state.js";
import type { Blob, StoredCheckpoint } from "./store.js";

/** What a transition sees and does inside the write transaction. */
export interface Tx {
  /** The state at the head of the log, this transition's own events included. */
  readonly state: State;
  /** The time (ms) that stamps these events: max(previous, wall) (SEMANTICS D8). */
  readonly at: number;
  /** Who writes: one open pipeline. */
  readonly writer: string;
  newId(kind: string): string;
  emit(body: EventBody): AuditEvent;
  /** Keeps the bytes behind a commitment of the event that is emitted next. */
  keep(blob: Blob): void;
  /** Its `blob_erased` is emitted in the same transition. */
  eraseBlob(ref: string): void;
  setMemory(key: string, value: JsonValue): void;
  putCheckpoint(checkpoint: StoredCheckpoint): void;
  /** Says that this writer still lives, when it has nothing else to say. */
  renewLease(): void;
  removeLease(writer: string): void;
}

/**
 * Reads the state and emits events, synchronously and without side effects of its own. Because it runs
 * while this process alone may append, at the head of the log, nothing can change between what it checked
 * and what it wrote (SEMANTICS D5, D7; docs/adr/0001).
 */
export type Transition<T> = (tx: Tx) => T;

/**
 * Told of every event after it is durable, in log order. `foreign`: not known to be this process's own, so
 * written by another one, or found in the log after a write that seemed to fail.
 */
export type Listener = (event: AuditEvent, foreign: boolean) => void;
