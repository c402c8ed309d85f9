import type { McpAnswer, McpRequest, McpUpstreams } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";

/** Passes one message on. */
export type Forward = (signal: AbortSignal) => Promise<McpAnswer>;

interface Waiting {
  readonly server: string;
  readonly method: string;
  readonly forward: Forward;
}

/**
 * Where a step's action finds the message that the step is about. A message lies here from before its step is asked
 * for until the step is over, and is passed on at most once, and only from behind the guard: this is the one way from
 * a client to a server, and back for what a server asks.
 */
export class Exchange implements McpUpstreams {
  readonly #waiting = new Map<string, Waiting>();

  /** @returns takes the message away again. */
  lay(traceId: string, message: Waiting): () => void {
    this.#waiting.set(traceId, message);
    return () => void this.#waiting.delete(traceId);
  }

  async request(traceId: string, { server, method }: McpRequest, signal: AbortSignal): Promise<McpAnswer> {
    const message = this.#waiting.get(traceId);
    if (message === undefined || message.server !== server || message.method !== method) {
      throw new EffectFailedError("no_message", "there is no message of a client for this step", {
        hint: "steps of this kind are made by the gateway alone",
      });
    }
    // An action that asks twice does not get the message sent twice.
    this.#waiting.delete(traceId);
    return message.forward(signal);
  }
}
