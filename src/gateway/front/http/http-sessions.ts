import { randomBytes } from "node:crypto";
import { HttpRefusal } from "../../../model/errors.js";
import type { TokenHolder } from "../../tokens/verify-token.js";
import type { Front } from "../front.js";
import { HttpFront } from "./http-front.js";
import type { HttpLimits } from "./limits.js";
import { StatelessFront } from "./stateless-front.js";

/** How often sessions that are idle, or whose token expired, are looked for, ms. */
const sweepMs = 1_000;

/** Who a session belongs to: the token that began it, and no other, be it of the same agent. */
export interface Owner extends TokenHolder {
  /** Tells tokens apart; not the token, and nothing that it could be made from. */
  readonly tokenKey: string;
}

interface Served<F extends HttpFront | StatelessFront> {
  readonly front: F;
  readonly owner: Owner;
  usedAt: number;
}

/** The sessions of an HTTP door: who may go on with which, and for how long. */
export class HttpSessions {
  readonly #limits: HttpLimits;
  readonly #now: () => number;
  readonly #accept: (front: Front, agentId: string) => void;
  readonly #sessions = new Map<string, Served<HttpFront>>();
  /** By token: requests without a session have nothing else in common. */
  readonly #stateless = new Map<string, Served<StatelessFront>>();
  readonly #sweep: NodeJS.Timeout;
  #closing = false;

  /** @param now milliseconds since the Unix epoch. */
  constructor(limits: HttpLimits, now: () => number, accept: (front: Front, agentId: string) => void) {
    this.#limits = limits;
    this.#now = now;
    this.#accept = accept;
    this.#sweep = setInterval(() => this.sweep(), sweepMs).unref();
  }

  get size(): number {
    return this.#sessions.size + this.#stateless.size;
  }

  /** @throws HttpRefusal `too_many_sessions`, `closing` */
  begin(owner: Owner): HttpFront {
    if (this.#closing) throw new HttpRefusal(503, "closing", "the gateway is about to end");
    this.#assertRoom(owner);
    // 256 random bits: nobody guesses one, and who learnt one needs the token as well.
    const id = randomBytes(32).toString("base64url");
    const front = new HttpFront(id, this.#limits, () => void this.#sessions.delete(id));
    this.#sessions.set(id, { front, owner, usedAt: this.#now() });
    this.#accept(front, owner.agentId);
    return front;
  }

  /**
   * Where requests without a session go: one place for all of a token, begun by the first of them.
   *
   * @throws HttpRefusal `too_many_sessions`, `closing`
   */
  stateless(owner: Owner): StatelessFront {
    const key = JSON.stringify([owner.issuer, owner.agentId, owner.tokenKey]);
    const served = this.#stateless.get(key);
    if (served !== undefined) {
      served.usedAt = this.#now();
      return served.front;
    }
    if (this.#closing) throw new HttpRefusal(503, "closing", "the gateway is about to end");
    this.#assertRoom(owner);
    const front = new StatelessFront(this.#limits, () => void this.#stateless.delete(key));
    this.#stateless.set(key, { front, owner, usedAt: this.#now() });
    this.#accept(front, owner.agentId);
    return front;
  }

  /**
   * @throws HttpRefusal `session_unknown`, also for a session of somebody else: that it exists is nobody's business.
   */
  find(id: string, { issuer, agentId, tokenKey }: Owner): HttpFront {
    const session = this.#sessions.get(id);
    const { owner } = session ?? {};
    if (
      session === undefined ||
      owner?.issuer !== issuer ||
      owner.agentId !== agentId ||
      owner.tokenKey !== tokenKey
    )
      throw new HttpRefusal(404, "session_unknown", "there is no such session");
    session.usedAt = this.#now();
    return session.front;
  }

  /** A session lives no longer than its token, and not for ever after its client went away. */
  sweep(): void {
    const now = this.#now();
    for (const session of this.#all()) {
      if (now >= session.owner.expiresAt) session.front.terminate("the token of this session has expired");
      else if (session.front.isBusy) session.usedAt = now;
      else if (now - session.usedAt >= this.#limits.idleMs) session.front.terminate("the session was idle");
    }
  }

  /** Takes no more sessions. Those that are there are the gateway's to end. */
  close(): void {
    this.#closing = true;
    clearInterval(this.#sweep);
  }

  #all(): readonly Served<HttpFront | StatelessFront>[] {
    return [...this.#sessions.values(), ...this.#stateless.values()];
  }

  #assertRoom({ issuer, agentId }: Owner): void {
    const ofAgent = this.#all().filter(
      ({ owner }) => owner.issuer === issuer && owner.agentId === agentId,
    ).length;
    if (ofAgent >= this.#limits.agentSessionsMax)
      throw new HttpRefusal(429, "too_many_sessions", `an agent has at most ${ofAgent} sessions at a time`);
    if (this.size >= this.#limits.sessionsMax)
      throw new HttpRefusal(503, "too_many_sessions", "the gateway has as many sessions as it takes");
  }
}
