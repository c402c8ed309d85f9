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
      const at = seq + 1;
      const type = typeof entry["event"] === "string" ? entry["event"].slice(0, 100) : "?";
      const fail = (code: "malformed_entry" | "wrong_order", why: string) =>
        new EvidenceError(code, `event ${at} (\`${type}\`): ${why}`, { seq: at });
      const misshapen = shapeFault(entry);
      if (misshapen !== undefined) throw fail("malformed_entry", misshapen);
      const event = entry as AuditEvent;
      if (event.seq !== at) throw fail("wrong_order", `it is numbered ${event.seq}`);
      // One spelling of a fixed length: text order is time order.
      if (event.timestamp < last)
        throw fail("wrong_order", `its time \`${event.timestamp}\` is before that of the event before it`);
      const misplaced = authority.fault(event) ?? requests.fault(event);
      if (misplaced !== undefined) throw fail("wrong_order", misplaced);
      seq = at;
      last = event.timestamp;
      return event;
    },
  };
}
