import type { JsonObject } from "../../model/json.js";
import {
  idKey,
  paramsOf,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcRequest,
  type RpcResponse,
  rpcResult,
} from "../protocol/json-rpc.js";
import { denialText, endedText } from "./denial-text.js";
import type { CallOutcome, GuardedCalls } from "./guarded-calls.js";
import { type Question, questionOf, refusalOfQuestion } from "./questions.js";
import type { Upstream } from "./upstream.js";

/** How many requests of one server wait for the client at a time. */
const inFlightMax = 16;

/** What servers ask of one client: each is a step like a call, decided for the same agent. */
export class ServerRequests {
  readonly #calls: GuardedCalls;
  readonly #capabilities: JsonObject;
  readonly #toClient: (message: JsonObject, related: readonly RequestId[]) => void;
  readonly #inFlight = new Map<string, AbortController>();

  /** @param capabilities of the client, as it declared them. */
  constructor(
    calls: GuardedCalls,
    capabilities: JsonObject,
    toClient: (message: JsonObject, related: readonly RequestId[]) => void,
  ) {
    this.#calls = calls;
    this.#capabilities = capabilities;
    this.#toClient = toClient;
  }

  /** Answers a request of a server. */
  async take(upstream: Upstream, request: RpcRequest): Promise<void> {
    const answer = await this.#answer(upstream, request);
    if (answer !== undefined) upstream.connection.notify(answer);
  }

  /** A server does not wait any more. */
  cancel(upstream: Upstream, id: RequestId): void {
    this.#inFlight.get(keyOf(upstream, id))?.abort(new Error("the server cancelled it"));
  }

  /** The session is over. */
  close(): void {
    for (const controller of this.#inFlight.values()) controller.abort(new Error("the session is over"));
  }

  async #answer(upstream: Upstream, request: RpcRequest): Promise<JsonObject | undefined> {
    const { id, method } = request;
    if (method === "ping") return rpcResult(id, {});
    const kind = questionOf(method);
    // What was not negotiated does not exist: the client would not know what to do with it.
    if (kind === undefined || this.#capabilities[kind.capability] === undefined)
      return rpcError(id, rpcCode.methodNotFound, `the client has no \`${method.slice(0, 100)}\``);
    const key = keyOf(upstream, id);
    if (this.#inFlight.has(key)) return rpcError(id, rpcCode.invalidRequest, "this id is in use");
    if (
      [...this.#inFlight.keys()].filter((each) => each.startsWith(prefixOf(upstream))).length >= inFlightMax
    )
      return rpcError(id, rpcCode.unavailable, `more than ${inFlightMax} requests wait for the client`);
    const controller = new AbortController();
    this.#inFlight.set(key, controller);
    try {
      return await this.#perform(upstream, request, kind, controller.signal);
    } finally {
      this.#inFlight.delete(key);
    }
  }

  async #perform(upstream: Upstream, request: RpcRequest, kind: Question, signal: AbortSignal) {
    const params = paramsOf(request);
    const refused = refusalOfQuestion(request.method, params);
    const outcome = await this.#calls.perform({
      action: kind.action,
      server: upstream.name,
      method: request.method,
      about: params,
      params: {
        server: upstream.name,
        method: request.method,
        params,
        ...(refused === undefined ? {} : { refused }),
      },
      signal,
      send: (stepSignal) => this.#askClient(upstream, request, stepSignal),
    });
    return answerOf(request, outcome, refused);
  }

  #askClient(upstream: Upstream, request: RpcRequest, signal: AbortSignal): Promise<RpcResponse> {
    signal.throwIfAborted();
    const { id, message, answer } = upstream.asked.add(request);
    // Where the client is asked, it is told as well that nobody waits any more.
    const related = upstream.connection.workingOn;
    const onAbort = (): void => {
      upstream.asked.fail(id, signal.reason as Error);
      this.#toClient(
        { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } },
        related,
      );
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#toClient(message, related);
    return answer.finally(() => signal.removeEventListener("abort", onAbort));
  }
}

function answerOf(
  request: RpcRequest,
  outcome: CallOutcome,
  refused: string | undefined,
): JsonObject | undefined {
  const what = `\`${request.method}\``;
  switch (outcome.kind) {
    case "answered":
      return { ...outcome.response, id: request.id };
    case "cancelled":
      return undefined;
    case "denied":
      // The server is told that the answer is no, and nothing of why.
      return rpcError(request.id, rpcCode.denied, denialText(what, outcome.reason, outcome.id, refused));
    case "ended":
      return rpcError(request.id, rpcCode.unavailable, endedText(what, outcome.code, outcome.id));
  }
}

function prefixOf(upstream: Upstream): string {
  return `${JSON.stringify(upstream.name)} `;
}

function keyOf(upstream: Upstream, id: RequestId): string {
  return prefixOf(upstream) + idKey(id);
}
