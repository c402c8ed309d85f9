import { EvidenceError } from "../errors.js";
import type { AuditEvent } from "../event.js";
import type { JsonObject } from "../json.js";
import { shapeFault } from "./event-shape.js";
import { AuthorityGrammar } from "./grammar-authority.js";
import { RequestGrammar } from "./grammar-requests.js";

/** Checks the events of a log one after the other, from its first. */
export interface GrammarChecker {
  /** Number of the last event that was checked; 0 before the first. */
  readonly seq: number;
  /**
   * Checks that this event may stand next in the log.
   *
   * @returns the same value, known to be an event.
   * @throws EvidenceError `malformed_entry` for an event of unknown type or wrong members, `wrong_order` for
   *   one that may not stand here; both with its number in `seq`.
   */
  check(entry: JsonObject): AuditEvent;
  /**
   * The same of an event whose type and members are known to be right.
   *
   * @throws EvidenceError `wrong_order`.
   */
  place(event: AuditEvent): void;
}

/**
 * What a signature cannot say: that the log makes sense. Whoever holds the key could sign any list of entries;
 * this shows where one is not a log that the guard can have written.
 *
 * - numbers count from 1 without gaps, and time never goes back (SEMANTICS D8);
 * - a request is decided once, has effects only while it is authorised, and ends at most once (D4, H1);
 * - authority is made from authority that exists, revoked once, and never used after it was revoked, had
 *   expired, or its agent was suspended (A2, A3, A7, D7).
 *
 * It does not decide again what a constraint or a pattern allows; that is what a replay does.
 */
export function grammarChecker(): GrammarChecker {
  const authority = new AuthorityGrammar();
  const requests = new RequestGrammar(authority);
  let seq = 0;
  let last = "";
  return {
    get seq() {
      return seq;
    },
    check(entry) {
      const misshapen = shapeFault(entry);
      if (misshapen !== undefined) throw fault("malformed_entry", entry, seq + 1, misshapen);
      this.place(entry as AuditEvent);
      return entry as AuditEvent;
    },
    place(event) {
      const at = seq + 1;
      const { timestamp } = event;
      if (event.seq !== at) throw fault("wrong_order", event, at, `it is numbered ${event.seq}`);
      // One spelling of a fixed length: text order is time order.
      if (timestamp < last)
        throw fault(
          "wrong_order",
          event,
          at,
          `its time \`${timestamp}\` is before that of the event before it`,
        );
      const misplaced = authority.fault(event) ?? requests.fault(event);
      if (misplaced !== undefined) throw fault("wrong_order", event, at, misplaced);
      seq = at;
      last = timestamp;
    },
  };
}

function fault(
  code: "malformed_entry" | "wrong_order",
  entry: JsonObject,
  seq: number,
  why: string,
): EvidenceError {
  const type = typeof entry["event"] === "string" ? entry["event"].slice(0, 100) : "?";
  return new EvidenceError(code, `event ${seq} (\`${type}\`): ${why}`, { seq });
}
