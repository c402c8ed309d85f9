import { adminLane } from "./lanes.js";
import { type Lease, newLease, renewMs } from "./lease.js";
import type { Logger } from "./ports.js";
import type { StoreTransaction } from "./store.js";
import type { Transition } from "./transition.js";

type Submit = (lane: string, transition: Transition<void>) => Promise<void>;

/**
 * The lease of one writer. It goes into the store with the first thing that is written, in the same
 * transaction, so that no open step is ever without one, and a process that only reads writes nothing.
 */
export class LeaseKeeper {
  readonly #lease = newLease();
  readonly #submit: Submit;
  readonly #logger: Logger | undefined;
  readonly #timer: NodeJS.Timeout;
  /** When the stored lease was made, by the wall clock; undefined: there is none. */
  #storedAt: number | undefined;
  #pending: Lease | undefined;

  constructor(submit: Submit, logger: Logger | undefined) {
    this.#submit = submit;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#renew(), renewMs).unref();
  }

  get writer(): string {
    return this.#lease.writer;
  }

  /** Makes or renews it where that is due; call within every transaction that writes. */
  write(tx: StoreTransaction): void {
    const now = Date.now();
    // A clock that was set back renews too.
    if (this.#storedAt !== undefined && Math.abs(now - this.#storedAt) < renewMs / 2) return;
    this.#pending = { ...this.#lease, renewedAt: now };
    tx.putLease(this.#pending);
  }

  /** The transaction of the last `write` was committed. */
  written(): void {
    this.#storedAt = this.#pending?.renewedAt ?? this.#storedAt;
    this.#pending = undefined;
  }

  /** Nothing is written any more: what is left open is nobody's. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#storedAt === undefined) return;
    try {
      await this.#submit(adminLane, (tx) => tx.removeLease(this.writer));
    } catch (error) {
      // It ends with this process; until then others only wait longer before they speak for its steps.
      this.#logger?.warn({ error }, "the lease could not be removed");
    }
  }

  async #renew(): Promise<void> {
    if (this.#storedAt === undefined) return;
    try {
      await this.#submit(adminLane, (tx) => tx.renewLease());
    } catch (error) {
      // The next write renews it; until then a machine elsewhere may take this process for gone (assertOpen).
      this.#logger?.warn({ error }, "the lease could not be renewed");
    }
  }
}
