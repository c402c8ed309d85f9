import type { ServerResponse } from "node:http";
import { HttpRefusal } from "../../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../../model/json.js";
import { metaKey, metaOf, withMeta } from "../../protocol/envelope.js";
import {
  paramsOf,
  progressTokenOf,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcRequest,
} from "../../protocol/json-rpc.js";
import { Gate } from "../../upstream/gate.js";
import type { Front, FrontEvents } from "../front.js";
import type { HttpLimits } from "./limits.js";
import { Outgoing } from "./outgoing.js";

/** One request that waits for its answer. */
interface Asked {
  /** As its client calls it. */
  readonly id: RequestId;
  readonly progressToken: RequestId | undefined;
  readonly outgoing: Outgoing;
}

/** How an error is told apart without its body being read (MCP 2026-07-28, streamable HTTP). */
const statuses: Readonly<Record<number, number>> = {
  [rpcCode.methodNotFound]: 404,
  [rpcCode.headerMismatch]: 400,
  // MissingRequiredClientCapability.
  [-32_021]: 400,
  [rpcCode.unsupportedVersion]: 400,
};

/**
 * All requests of one token that are of the stateless revision: no session is begun, and none has an id. Ids and
 * progress tokens are each client's own, and one token may be used by several clients at a time, so each request gets
 * an id of its own in here. A client that goes away cancels what it asked for.
 */
export class StatelessFront implements Front {
  readonly name = "http";
  readonly isStateless = true;
  readonly #limits: HttpLimits;
  readonly #onClosed: () => void;
  readonly #asked = new Map<number, Asked>();
  readonly #outgoing = new Set<Outgoing>();
  readonly #gate = new Gate();
  #events: FrontEvents | undefined;
  #last = 0;
  #why = "the gateway does not serve this token any more";
  #closed = false;

  constructor(limits: HttpLimits, onClosed: () => void) {
    this.#limits = limits;
    this.#onClosed = onClosed;
  }

  get isBusy(): boolean {
    return this.#asked.size > 0;
  }

  start(events: FrontEvents): void {
    this.#events = events;
  }

  /**
   * @param headers `Mcp-Param-…`, by their name in lower case.
   * @throws HttpRefusal `closing`
   */
  async ask(
    request: RpcRequest,
    headers: ReadonlyMap<string, string>,
    response: ServerResponse,
  ): Promise<void> {
    // A server is slow: what its clients send waits with them, and not in here.
    await this.#gate.passed();
    if (this.#closed || this.#events === undefined) throw new HttpRefusal(503, "closing", this.#why);
    if (response.destroyed) return;
    const events = this.#events;
    const own = ++this.#last;
    const params = paramsOf(request);
    const progressToken = progressTokenOf(params);
    const outgoing = this.#outgoingTo(response, () => {
      // Closing its stream is how a client cancels; an answer that went out is none of it.
      if (this.#asked.delete(own))
        events.message({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: own } });
    });
    this.#asked.set(own, { id: request.id, progressToken, outgoing });
    // Before it is told to whoever waits for it: a subscription is one for as long as it stands.
    const message = progressToken === undefined ? params : withMeta(params, { progressToken: own });
    events.message({ ...request, id: own, params: message }, headers);
  }

  send(message: JsonObject, related: readonly RequestId[] = []): boolean {
    if (this.#closed) return true;
    if (message["method"] === undefined) this.#answer(message);
    else this.#tell(message, related);
    return ![...this.#outgoing].some(({ isSlow }) => isSlow);
  }

  pause(): void {
    this.#gate.shut();
  }

  resume(): void {
    this.#gate.open();
  }

  /** Ends what is under way. */
  terminate(why: string): void {
    this.#why = why;
    this.#events?.ended(why);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gate.open();
    for (const { id, outgoing } of [...this.#asked.values()])
      outgoing.answer(rpcError(id, rpcCode.unavailable, this.#why));
    this.#asked.clear();
    this.#onClosed();
  }

  #outgoingTo(response: ServerResponse, gone: () => void): Outgoing {
    const outgoing = new Outgoing(
      response,
      this.#limits,
      {},
      {
        drained: () => {
          if (![...this.#outgoing].some(({ isSlow }) => isSlow)) this.#events?.drained();
        },
        gone: () => {
          this.#outgoing.delete(outgoing);
          gone();
        },
      },
    );
    this.#outgoing.add(outgoing);
    return outgoing;
  }

  #answer(message: JsonObject): void {
    const { id, result, error } = message;
    const asked = typeof id === "number" ? this.#asked.get(id) : undefined;
    if (asked === undefined || typeof id !== "number") return;
    this.#asked.delete(id);
    const own = isJsonObject(result) ? { ...message, result: named(result, id, asked.id) } : message;
    asked.outgoing.answer({ ...own, id: asked.id }, isJsonObject(error) ? statusOf(error) : 200);
  }

  /** Each stream belongs to one request: what belongs to none, or to one of several, is on none. */
  #tell(message: JsonObject, related: readonly RequestId[]): void {
    const params = paramsOf(message);
    if (message["method"] === "notifications/progress") {
      const token = params["progressToken"];
      const asked = typeof token === "number" ? this.#asked.get(token) : undefined;
      if (asked?.progressToken === undefined) return;
      return asked.outgoing.event({ ...message, params: { ...params, progressToken: asked.progressToken } });
    }
    const [id, ...more] = related;
    const asked = typeof id === "number" && more.length === 0 ? this.#asked.get(id) : undefined;
    if (asked === undefined || typeof id !== "number") return;
    asked.outgoing.event({ ...message, params: named(params, id, asked.id) });
  }
}

/** A subscription is called by the id of the request that asked for it, which is the client's own. */
function named(holder: JsonObject, own: RequestId, clients: RequestId): JsonObject {
  return metaOf(holder)[metaKey.subscriptionId] === own
    ? withMeta(holder, { [metaKey.subscriptionId]: clients })
    : holder;
}

function statusOf({ code, data }: JsonObject): number {
  // Not an error of this revision: a client that speaks others goes back to `initialize`.
  if (isJsonObject(data) && data["reason"] === "unsupported_version") return 400;
  return (typeof code === "number" ? statuses[code] : undefined) ?? 200;
}
