import { AuditUnavailableError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { State } from "../model/state.js";
import { type Need, roomRefusal } from "./disk-room.js";
import { adminLane, type Job, Lanes } from "./lanes.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { Listeners } from "./listeners.js";
import type { Clock, IdSource, Logger } from "./ports.js";
import type { StoreDriver, StoreTransaction } from "./store.js";
import type { Listener, Transition } from "./transition.js";
import { type Made, type TransitionGround, transitionTx } from "./transition-tx.js";

export type { Listener, Transition, Tx } from "./transition.js";

const batchMax = 512;
const busyMsMax = 10_000;
/** How long something may wait for a transaction of something else. */
const followMs = 3;
/** How long a process that wrote to the log knows what others appended. */
const justMs = 2;

/**
 * The one writer of a process (SEMANTICS E4). Transitions queue in lanes and go into one transaction
 * together (group commit); a promise resolves when its events are durable, and rejects with
 * `AuditUnavailableError` when they are not: then nothing that depended on them may happen.
 */
export class Ledger {
  readonly #driver: StoreDriver;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  readonly #logger: Logger | undefined;
  readonly #lanes = new Lanes();
  readonly #lease: LeaseKeeper;
  readonly #listeners: Listeners;
  #state: State | undefined;
  #draining = false;
  #following: NodeJS.Timeout | undefined;
  readonly #awaitingIdle: (() => void)[] = [];
  #closing = false;
  #suspect = false;
  /** When a commit of this process last held the log, by a clock that nobody sets. */
  #heldAt = -Infinity;
  #closed = false;
  #refusal: AuditUnavailableError | undefined;

  constructor(driver: StoreDriver, parts: { clock: Clock; ids: IdSource; logger?: Logger | undefined }) {
    this.#driver = driver;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#logger = parts.logger;
    this.#state = this.#load();
    this.#listeners = new Listeners(this.#state.seq);
    this.#lease = new LeaseKeeper((lane, transition) => this.submit(lane, transition), parts.logger);
  }

  get driver(): StoreDriver {
    return this.#driver;
  }

  /** Under which name this process holds a lease, once it has written. */
  get writer(): string {
    return this.#lease.writer;
  }

  /** Nothing is recorded, or heard of other processes, any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The state at the last event this process has seen committed. Reading it decides nothing for good. */
  get state(): State {
    if (this.#suspect) this.#recover();
    return (this.#state ??= this.#load());
  }

  /** Now, never earlier than the log (SEMANTICS D8). */
  now(): number {
    return Math.max(this.#clock.now(), this.state.lastTime);
  }

  listen(listener: Listener): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Runs a transition in the next transaction.
   *
   * @param lane the agent it is for, so that one busy agent cannot starve others; `adminLane` for changes
   *   of authority, which go first and may use the space that is kept free.
   * @param need `begun` for what ends something that was authorised before: it may use more of a full disk.
   * @throws AuditUnavailableError when its events could not be made durable; whatever the transition throws.
   */
  submit<T>(lane: string, transition: Transition<T>, need: Need = "new"): Promise<T> {
    return this.#add(lane, transition, need, () => this.#schedule());
  }

  #add<T>(lane: string, transition: Transition<T>, need: Need, ask: () => void): Promise<T> {
    if (this.#closing) return Promise.reject(new AuditUnavailableError("the pipeline is closed"));
    if (this.#refusal !== undefined && lane !== adminLane) return Promise.reject(this.#refusal);
    return new Promise<T>((resolve, reject) => {
      this.#lanes.add({ lane, need, run: transition, resolve: resolve as (value: unknown) => void, reject });
      ask();
    });
  }

  /**
   * The same for what nobody waits for and something else follows: it goes into the next transaction, with whatever
   * asks for one, and asks for its own only when none came in `followMs`.
   */
  follow<T>(lane: string, transition: Transition<T>, need: Need = "new"): Promise<T> {
    return this.#add(lane, transition, need, () => {
      this.#following ??= setTimeout(() => {
        this.#following = undefined;
        if (this.#lanes.size > 0) this.#schedule();
      }, followMs);
    });
  }

  /** From now on nothing but changes of authority: the log is not what it was (SEMANTICS E6). */
  refuseSteps(why: AuditUnavailableError): void {
    this.#refusal = why;
  }

  /** Folds what other processes appended; tells the listeners. Without a transaction, so it never waits. */
  refresh(): void {
    if (this.#closed || this.#suspect) return;
    this.#foldForeign(this.#driver.eventsAfter(this.state.seq));
  }

  /**
   * The same, unless this process wrote to the log a moment ago: nobody else was there before that, and others' changes
   * have to be noticed within a second (SEMANTICS D7). A process that stood still meanwhile looks.
   */
  refreshUnlessJustWritten(): void {
    if (performance.now() - this.#heldAt > justMs) this.refresh();
  }

  /** Refuses everything from now on and waits for what is queued. The database stays open: its owner closes it. */
  async close(): Promise<void> {
    // Taken back behind everything that is queued; what is submitted from here on is refused.
    const ended = this.#closing ? undefined : this.#lease.end();
    this.#closing = true;
    if (this.#lanes.size > 0) this.#schedule();
    await ended;
    if (this.#draining) await new Promise<void>((resolve) => this.#awaitingIdle.push(resolve));
    clearTimeout(this.#following);
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#draining) return;
    this.#draining = true;
    // After the poll phase: whatever this turn of the loop submits shares one durability wait.
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    const waitingSince = performance.now();
    while (this.#lanes.size > 0) {
      let tx: StoreTransaction | undefined;
      try {
        tx = this.#begin();
      } catch (cause) {
        this.#fail(this.#lanes.take(Infinity), cause);
        break;
      }
      if (tx !== undefined) {
        this.#commit(tx, this.#lanes.take(batchMax));
        break;
      }
      if (performance.now() - waitingSince > busyMsMax) {
        this.#fail(this.#lanes.take(Infinity), new Error("another process kept the log locked"));
        break;
      }
      // Own retry: SQLite's busy handler starves a revoker behind a hot writer (FINDINGS, Conditional append).
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#draining = false;
    if (this.#lanes.size > 0) return this.#schedule();
    for (const tell of this.#awaitingIdle.splice(0)) tell();
  }

  #begin(): StoreTransaction | undefined {
    if (this.#suspect) this.#recover();
    return this.#driver.begin();
  }

  /** After a failed write nobody knows what the database holds: it is opened anew and read again. */
  #recover(): void {
    this.#driver.reopen();
    this.#state = this.#load();
    this.#suspect = false;
    for (const event of this.#driver.eventsAfter(this.#listeners.told)) this.#listeners.tell(event, true);
  }

  #commit(tx: StoreTransaction, batch: readonly Job[]): void {
    const events: AuditEvent[] = [];
    const settled: (() => void)[] = [];
    let writes = 0;
    try {
      this.#foldForeign(tx.eventsAfter(this.state.seq));
      const free = this.#driver.freeBytes();
      for (const job of batch) {
        const noRoom = roomRefusal(free, job);
        if (noRoom !== undefined) {
          settled.push(() => job.reject(noRoom));
          continue;
        }
        const made: Made = { events: [], writes: [] };
        let answer: unknown;
        try {
          answer = job.run(transitionTx(made, this.#ground()));
        } catch (error) {
          // Its events stand in the state already: they leave with it, and the others are tried again without it.
          if (made.events.length > 0) return this.#withdraw(tx, batch, job, error);
          settled.push(() => job.reject(error));
          continue;
        }
        for (const write of made.writes) write(tx);
        writes += made.writes.length;
        events.push(...made.events);
        settled.push(() => job.resolve(answer));
      }
      if (writes > 0) {
        this.#lease.write(tx);
        this.#heldAt = performance.now();
        tx.commit();
        this.#lease.written();
      } else tx.rollback();
    } catch (cause) {
      this.#suspect = true;
      this.#state = undefined;
      this.#rollback(tx);
      return this.#fail(batch, cause);
    }
    for (const event of events) this.#listeners.tell(event, false);
    for (const settle of settled) settle();
  }

  #ground(): TransitionGround {
    const { state, writer } = this;
    return { state, at: this.now(), writer, ids: this.#ids, lease: this.#lease };
  }

  #withdraw(tx: StoreTransaction, batch: readonly Job[], culprit: Job, error: unknown): void {
    tx.rollback();
    this.#state = this.#load();
    culprit.reject(error);
    this.#lanes.putBack(batch.filter((job) => job !== culprit));
  }

  #rollback(tx: StoreTransaction): void {
    try {
      tx.rollback();
    } catch (error) {
      // Nothing is lost by this: the connection is given up before anything else is read or written (#recover).
      this.#logger?.warn({ error }, "a transaction could not be rolled back");
    }
  }

  #fail(batch: readonly Job[], cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    const error = new AuditUnavailableError(`the log could not be written: ${why}`, {
      hint: `check the disk and the permissions of \`${this.#driver.location}\``,
      cause,
    });
    this.#logger?.error({ error: cause, refused: batch.length }, "the log could not be written");
    for (const job of batch) job.reject(error);
  }

  #foldForeign(events: readonly AuditEvent[]): void {
    for (const event of events) {
      this.state.fold(event);
      this.#listeners.tell(event, true);
    }
  }

  #load(): State {
    const state = new State();
    this.#driver.load(state);
    return state;
  }
}
