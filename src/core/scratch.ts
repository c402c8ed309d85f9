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
  const at = ledger.now();
  let made = 0;
  const newId = (kind: string): string => `${kind}_scratch-${++made}`;
  return {
    state,
    at,
    writer: ledger.writer,
    newId,
    emit: (body): AuditEvent => {
      const event = {
        ...body,
        id: newId("evt"),
        seq: state.seq + 1,
        timestamp: formatInstant(at),
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
