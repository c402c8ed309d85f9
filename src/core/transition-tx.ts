import { canonicalJson } from "../model/canonical.js";
import { InvalidDataError } from "../model/errors.js";
import { type AuditEvent, eventBytesMax, protocolVersion } from "../model/event.js";
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
      const event: AuditEvent = {
        ...body,
        id: ids.next("evt"),
        seq: state.seq + 1,
        timestamp: stampOf(at),
        protocol_version: protocolVersion,
      };
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

let stamped = { at: NaN, text: "" };

/** Events of one moment follow each other. */
function stampOf(at: number): string {
  if (stamped.at !== at) stamped = { at, text: formatInstant(at) };
  return stamped.text;
}
