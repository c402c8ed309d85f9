import { EffectFailedError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";
import { metaKey, metaOf } from "../protocol/envelope.js";
import { paramsOf, readRpcMessage, type RequestId, type RpcNotification } from "../protocol/json-rpc.js";
import type { UpstreamEvents } from "./connection-types.js";
import type { PendingRequests } from "./pending-requests.js";

/** What comes from one server: whose answer, whose progress, whose change it is. */
export class Incoming {
  readonly #name: string;
  readonly #pending: PendingRequests;
  readonly #events: UpstreamEvents;
  readonly #isStateless: () => boolean;
  /** Who hears what comes for a subscription, by the id of the request that asked for it. */
  readonly #subscriptions = new Map<number, (message: RpcNotification) => void>();

  constructor(name: string, pending: PendingRequests, events: UpstreamEvents, isStateless: () => boolean) {
    this.#name = name;
    this.#pending = pending;
    this.#events = events;
    this.#isStateless = isStateless;
  }

  subscribe(id: number, hears: (message: RpcNotification) => void): void {
    this.#subscriptions.set(id, hears);
  }

  unsubscribe(id: number): void {
    this.#subscriptions.delete(id);
  }

  /** @param stream the request on whose stream it came, where requests have such. */
  take(value: JsonValue, stream: RequestId | undefined): void {
    const read = readRpcMessage(value);
    switch (read.kind) {
      case "request":
        return this.#events.request(read.message);
      case "notification":
        return this.#takeNotification(read.message, stream);
      case "response": {
        const stray = this.#pending.settle(read.message);
        if (stray !== undefined) this.#events.log(stray);
        return;
      }
      case "malformed": {
        this.#events.log(`a message of it is malformed: ${read.why}`);
        if (read.id === undefined) return;
        // Whoever waits for it would wait for ever.
        const why = `\`${this.#name}\` gave an answer that is none: ${read.why}`;
        this.#pending.fail(read.id, new EffectFailedError("upstream_malformed", why));
      }
    }
  }

  #takeNotification(message: RpcNotification, stream: RequestId | undefined): void {
    const params = paramsOf(message);
    const subscription = this.#isStateless() ? metaOf(params)[metaKey.subscriptionId] : undefined;
    // What names a subscription is for whoever asked for it, and for nobody when nobody did.
    if (subscription !== undefined)
      return typeof subscription === "number" ? this.#subscriptions.get(subscription)?.(message) : undefined;
    const related = this.#relatedTo(stream);
    if (message.method !== "notifications/progress") return this.#events.notification(message, related);
    const progress = this.#pending.progress(message);
    // Progress of what nobody waits for is dropped: its answer may just have overtaken it.
    if (progress !== undefined) this.#events.notification(progress as RpcNotification, related);
  }

  /** A stateless server's stream belongs to one request (MCP 2026-07-28, streamable HTTP). */
  #relatedTo(stream: RequestId | undefined): readonly RequestId[] {
    const own = this.#isStateless() && stream !== undefined ? this.#pending.askedAsOf(stream) : undefined;
    return own === undefined ? this.#pending.askedAs : [own];
  }
}
