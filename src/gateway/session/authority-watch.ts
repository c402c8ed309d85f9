import { type AuditMechanism, ledgerOf } from "../../core/audit.js";
import type { BindingRecord } from "../../model/authority.js";
import { concernsLists } from "./announcements.js";

/** A timer reaches no further, ms; and a clock that is set is noticed within that time. */
const waitMsMax = 60 * 60_000;

/**
 * Tells when what an agent may do has changed: by an event, whoever wrote it, and by the passing of time alone, when a
 * binding of it, or something above one, begins or ends.
 */
export class AuthorityWatch {
  readonly #audit: AuditMechanism;
  readonly #agentId: string;
  readonly #changed: () => void;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(audit: AuditMechanism, agentId: string, changed: () => void) {
    this.#audit = audit;
    this.#agentId = agentId;
    this.#changed = changed;
    this.#unsubscribe = audit.onEvent((event) => {
      if (!concernsLists(event, agentId)) return;
      changed();
      this.#wait();
    });
    this.#wait();
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const ledger = ledgerOf(this.#audit);
    const now = ledger.now();
    const next = nextTurn(ledger.state.bindingsOf(this.#agentId), now);
    if (next === undefined) return;
    const turn = (): void => {
      if (ledger.now() >= next) this.#changed();
      this.#wait();
    };
    this.#timer = setTimeout(turn, Math.min(next - now, waitMsMax)).unref();
  }
}

/** @returns the first moment after `now` at which a link of one of them begins or ends, ms since the epoch. */
export function nextTurn(bindings: readonly BindingRecord[], now: number): number | undefined {
  let next: number | undefined;
  for (const { chain } of bindings) {
    if (chain.some(({ revokedSeq }) => revokedSeq !== undefined)) continue;
    for (const { expiresAt, notBefore } of chain) {
      for (const at of [expiresAt, notBefore])
        if (at !== undefined && at > now && (next === undefined || at < next)) next = at;
    }
  }
  return next;
}
