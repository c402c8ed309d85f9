import { type AuditEvent, protocolVersion } from "../model/event.js";
import { State } from "../model/state.js";
import { formatInstant } from "../model/time.js";
import type { Ledger, Tx } from "./ledger.js";

/**
 * A copy of the state that transitions can be tried on: nothing is appended, nothing of the real state
 * changes (SEMANTICS E5: `plan --policy` persists nothing).
 */
export function scratchTx(ledger: Ledger): Tx {
  const state = new State();
  ledger.driver.load(state);
  return scratchTxOn(state, ledger.now());
}

/**
 * A transaction on a state in memory; what is emitted is folded into it and goes nowhere else.
 *
 * @param at ms since the epoch; never before the state's last event.
 * @param newId of what it makes; default ids that no real object has.
 */
export function scratchTxOn(state: State, at: number, newId: (kind: string) => string = countedIds()): Tx {
  const time = Math.max(at, state.lastTime);
  return {
    state,
    at: time,
    writer: "scratch",
    newId,
    emit: (body): AuditEvent => {
      const seq = state.seq + 1;
      const event = {
        ...body,
        id: `evt_scratch-${seq}`,
        seq,
        timestamp: formatInstant(time),
        protocol_version: protocolVersion,
      };
      state.fold(event);
      return event;
    },
    keep: () => undefined,
    eraseBlob: () => undefined,
    setMemory: () => undefined,
    putCheckpoint: () => undefined,
    renewLease: () => undefined,
    removeLease: () => undefined,
  };
}

function countedIds(): (kind: string) => string {
  let made = 0;
  return (kind) => `${kind}_scratch-${++made}`;
}
