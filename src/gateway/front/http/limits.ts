/** How much the HTTP door takes, and how long it waits. */
export interface HttpLimits {
  /** Sessions at a time, of everybody. Each has servers of its own. */
  readonly sessionsMax: number;
  /** Sessions of one agent at a time, whatever tokens it has. */
  readonly agentSessionsMax: number;
  /** A session without a request under way and without a stream ends after that time, ms. */
  readonly idleMs: number;
  /** Streams of one session for what belongs to no request; one more ends the oldest. */
  readonly listenersMax: number;
  /** Messages that wait for such a stream, and for how long: clients open it after they have begun. */
  readonly heldMax: number;
  readonly heldMs: number;
  /** An answer whose client was told to come back for it waits for so long, ms. */
  readonly pausedMs: number;
  /** A reader that takes nothing for so long is cut off, ms, … */
  readonly slowMs: number;
  /** … and so is one that so many bytes wait for. */
  readonly backlogBytesMax: number;
  /** Bodies of one agent that no session has taken yet, bytes. */
  readonly bodiesBytesMax: number;
  /** The headers of a request, and all of it, ms. */
  readonly headersMs: number;
  readonly requestMs: number;
  readonly connectionsMax: number;
}

export const defaultHttpLimits: HttpLimits = Object.freeze({
  sessionsMax: 256,
  agentSessionsMax: 64,
  idleMs: 30 * 60_000,
  listenersMax: 4,
  heldMax: 64,
  heldMs: 5_000,
  pausedMs: 60_000,
  slowMs: 30_000,
  backlogBytesMax: 32 * 1024 * 1024,
  bodiesBytesMax: 64 * 1024 * 1024,
  headersMs: 10_000,
  requestMs: 60_000,
  connectionsMax: 2_048,
});
