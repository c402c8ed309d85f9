import { copyJson } from "../model/copy-json.js";
import { coreEvents, type AuditEvent } from "../model/event.js";
import { isJsonObject, type JsonObject } from "../model/json.js";
import { systemClock, systemIds } from "./defaults.js";
import { Ledger } from "./ledger.js";
import type { Clock, IdSource, Logger } from "./ports.js";
import { driverOf, type EventFilter, type Store } from "./store.js";

let open: (audit: AuditMechanism) => Ledger;

const detailsLimits = { depth: 16, values: 5_000, characters: 60_000 };
const reserved = ["event", "id", "seq", "timestamp", "protocol_version"];

/**
 * Records events and gives them back (specification, AuditMechanism). The core events are appended by the
 * parts that own them, through this mechanism's ledger, which nobody outside the package can reach.
 */
export class AuditMechanism {
  readonly #ledger: Ledger;

  constructor(options: {
    readonly store: Store;
    readonly clock?: Clock | undefined;
    readonly ids?: IdSource | undefined;
    readonly logger?: Logger | undefined;
  }) {
    const { store, clock = systemClock, ids = systemIds, logger } = options;
    this.#ledger = new Ledger(driverOf(store), { clock, ids, logger });
    Object.freeze(this);
  }

  /**
   * Appends an event of your own; resolves with its id when it is durable.
   *
   * @param type begins with `x_`: what decides is appended by its owner only (SEMANTICS E3).
   * @param details members of the event, plain data, at most 60,000 characters.
   * @throws TypeError for a type or member that is not yours to write; AuditUnavailableError.
   */
  async emitEvent(type: string, details: JsonObject = {}): Promise<string> {
    if (typeof type !== "string" || !/^x_[a-z0-9_]{1,64}$/.test(type)) {
      const core = (coreEvents as readonly unknown[]).includes(type);
      throw new TypeError(
        core
          ? `\`${type}\` is appended only by the part that owns it; events of your own begin with x_`
          : "an event of your own has a type of x_ and up to 64 of a-z, 0-9, _",
      );
    }
    const members = copyJson(details, detailsLimits);
    if (!isJsonObject(members)) throw new TypeError("the details of an event are an object");
    for (const name of reserved) {
      if (Object.hasOwn(members, name)) throw new TypeError(`the member \`${name}\` is written by the log`);
    }
    const event = await this.#ledger.submit(`x:${type}`, (tx) => tx.emit({ ...members, event: type }));
    return event.id;
  }

  /** Wire documents in log order. */
  getEvents(filter: EventFilter = {}): Promise<AuditEvent[]> {
    return Promise.resolve().then(() => this.#ledger.driver.readEvents(filter));
  }

  /** Tells every event from now on, after it is durable; `foreign`: another process wrote it. Returns the end of it. */
  onEvent(listener: (event: AuditEvent, foreign: boolean) => void): () => void {
    return this.#ledger.listen(listener);
  }

  /** Waits for what is queued; afterwards nothing can be recorded, so nothing can run. */
  close(): Promise<void> {
    return this.#ledger.close();
  }

  static {
    open = (audit) => audit.#ledger;
  }
}

/** For the parts that own events; not exported from the package. */
export function ledgerOf(audit: AuditMechanism): Ledger {
  return open(audit);
}
