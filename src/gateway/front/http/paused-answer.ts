import type { JsonObject } from "../../../model/json.js";
import type { RequestId } from "../../protocol/json-rpc.js";
import { HeldMessages } from "./held-messages.js";
import type { HttpLimits } from "./limits.js";
import type { Outgoing } from "./outgoing.js";

/** However soon a server wants to be asked again, its clients are not made to ask all the time, ms. */
const retryMsMin = 100;

/**
 * An answer whose stream has ended early: what belongs to it waits until its client asks for the rest, by the id of
 * the last event (MCP 2025-11-25, resumability).
 */
export class PausedAnswer {
  readonly eventId: string;
  readonly #limits: HttpLimits;
  readonly #held: HeldMessages;
  readonly #expired: () => void;
  #answer: JsonObject | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param undeliverable told of requests of a server that nobody came for.
   * @param expired the answer was there, and nobody came for it.
   */
  constructor(
    eventId: string,
    limits: HttpLimits,
    undeliverable: (request: RequestId) => void,
    expired: () => void,
  ) {
    this.eventId = eventId;
    this.#limits = limits;
    this.#held = new HeldMessages({ ...limits, heldMs: limits.pausedMs }, undeliverable);
    this.#expired = expired;
  }

  static retryMs(asked: number): number {
    return Math.max(asked, retryMsMin);
  }

  /** A message that is not the last one. */
  event(message: JsonObject): void {
    this.#held.hold(message);
  }

  answer(message: JsonObject): void {
    this.#answer = message;
    this.#timer = setTimeout(this.#expired, this.#limits.pausedMs).unref();
  }

  /** @returns whether that was all of it. */
  resume(outgoing: Outgoing): boolean {
    const answer = this.#answer;
    for (const message of this.#held.release()) outgoing.event(message);
    this.clear();
    if (answer === undefined) return false;
    outgoing.answer(answer);
    return true;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#held.clear();
  }
}
