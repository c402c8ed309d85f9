import { canonicalJson } from "../model/canonical.js";
import { InvalidDataError } from "../model/errors.js";
import { type AuditEvent, type EventBody, eventBytesMax, protocolVersion } from "../model/event.js";
import type { State } from "../model/state.js";
import { formatInstant } from "../model/time.js";
import type { LeaseKeeper } from "./lease-keeper.js";
import type { IdSource } from "./ports.js";
import type { StoreTransaction } from "./store.js";
import type { Tx } from "./transition.js";

/** What one transition made. It reaches the store after the transition returned, so what throws leaves nothing. */
export interface Made {
  readonly events: AuditEvent[];
  readonly writes: ((tx: StoreTransaction) => void)[];
}

/** What a transition stands on. */
export interface TransitionGround {
  /** At the head of the log; what is emitted is folded into it. */
  readonly state: State;
  /** Ms since the epoch. */
  readonly at: number;
  readonly writer: string;
  readonly ids: IdSource;
  readonly lease: LeaseKeeper;
}

/** What one transition sees and does; what it makes is collected in `made`. */
export function transitionTx({ events, writes }: Made, ground: TransitionGround): Tx {
  const { state, at, writer, ids, lease } = ground;
  return {
    state,
    at,
    writer,
    newId: (kind) => ids.next(kind),
    emit: (body) => {
      const event = stamped(body, ids.next("evt"), state.seq + 1, stampOf(at));
      const text = canonicalJson(event);
      if (Buffer.byteLength(text) > eventBytesMax) {
        throw new InvalidDataError("$", `the event \`${body.event}\` is larger than ${eventBytesMax} bytes`);
      }
      events.push(event);
      const changes = state.fold(event);
      writes.push((tx) => tx.append(event, text, changes));
      return event;
    },
    keep: (blob) => {
      const seq = state.seq + 1;
      writes.push((tx) => tx.putBlob(seq, blob));
    },
    eraseBlob: (ref) => void writes.push((tx) => tx.eraseBlob(ref)),
    setMemory: (key, value) => void writes.push((tx) => tx.setMemory(key, value)),
    putCheckpoint: (checkpoint) => void writes.push((tx) => tx.putCheckpoint(checkpoint)),
    renewLease: () => void writes.push((tx) => lease.write(tx)),
    removeLease: (writer) => void writes.push((tx) => tx.removeLease(writer)),
  };
}

/**
 * The event of a body: what the writer says of it stands whatever the body says. Members are defined, never assigned,
 * so that no setter on `Object.prototype` takes part; and those of the literal come first, because a spread object
 * that many members are added to takes V8 ten times as long (docs/benchmarks/profile.md).
 */
function stamped(body: EventBody, id: string, seq: number, timestamp: string): AuditEvent {
  const event = { id, seq, timestamp, protocol_version: protocolVersion, ...body } as Mutable<AuditEvent>;
  event.id = id;
  event.seq = seq;
  event.timestamp = timestamp;
  event.protocol_version = protocolVersion;
  return event;
}

type Mutable<T> = { -readonly [member in keyof T]: T[member] };

let lastStamp = { at: NaN, text: "" };

/** A moment as events write it; those of one transaction have the same. */
export function stampOf(at: number): string {
  if (lastStamp.at !== at) lastStamp = { at, text: formatInstant(at) };
  return lastStamp.text;
}
