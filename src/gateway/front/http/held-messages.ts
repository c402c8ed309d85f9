import type { JsonObject } from "../../../model/json.js";
import { isRequestId, type RequestId } from "../../protocol/json-rpc.js";
import type { HttpLimits } from "./limits.js";

/**
 * What a server says before its client listens: servers ask as soon as they are told that the client is ready, and
 * clients open their stream just after that.
 */
export class HeldMessages {
  readonly #limits: HttpLimits;
  readonly #undeliverable: (request: RequestId) => void;
  readonly #held = new Map<JsonObject, NodeJS.Timeout>();

  /** @param undeliverable told of requests that nobody came for. Notifications are dropped. */
  constructor(limits: HttpLimits, undeliverable: (request: RequestId) => void) {
    this.#limits = limits;
    this.#undeliverable = undeliverable;
  }

  hold(message: JsonObject): void {
    const waitMs = this.#held.size >= this.#limits.heldMax ? 0 : this.#limits.heldMs;
    const timer = setTimeout(() => {
      this.#held.delete(message);
      if (isRequestId(message["id"])) this.#undeliverable(message["id"]);
    }, waitMs).unref();
    this.#held.set(message, timer);
  }

  /** @returns all of it, in the order in which it came; it is held no more. */
  release(): readonly JsonObject[] {
    const messages = [...this.#held.keys()];
    this.clear();
    return messages;
  }

  clear(): void {
    for (const timer of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }
}
