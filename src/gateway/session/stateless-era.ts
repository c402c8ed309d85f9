import { ledgerOf } from "../../core/audit.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { envelopeOf, metaKey, metaOf } from "../protocol/envelope.js";
import {
  idKey,
  paramsOf,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcNotification,
  type RpcRequest,
} from "../protocol/json-rpc.js";
import { Announcements, type ListName } from "./announcements.js";
import { answerRequest } from "./client-requests.js";
import type { Era } from "./era.js";
import { asksForInput, guardQuestions, type InputParts, retryOf } from "./input-required.js";
import { ListWatch } from "./list-watch.js";
import { Listens } from "./listens.js";
import { listKinds } from "./lists.js";
import { isRetry, type RequestStates } from "./request-state.js";
import type { Ground } from "./session-ground.js";
import type { Upstream } from "./upstream.js";

/** Methods of earlier revisions that this one has no more. */
const removed = [
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
  "tasks/list",
  "tasks/result",
];

/** The stateless revision, 2026-07-28: what a request is about, and what its client can do, stands in the request. */
export class StatelessEra implements Era {
  readonly #ground: Ground;
  readonly #input: InputParts;
  readonly #listens: Listens;
  readonly #watch: ListWatch;
  readonly #announcements: Announcements;
  /** Requests under way whose client wants to read what their server logs. */
  readonly #logged = new Set<string>();

  constructor(ground: Ground, states: RequestStates) {
    const { calls, agentId } = ground.requests;
    this.#ground = ground;
    this.#input = { calls, agentId, states };
    this.#listens = new Listens(ground);
    this.#announcements = new Announcements((message) => this.#listens.tell(message));
    this.#watch = new ListWatch(ground);
    for (const upstream of ground.upstreams.all) this.#watch.watch(upstream);
  }

  async answer(
    request: RpcRequest,
    signal: AbortSignal,
    headers: ReadonlyMap<string, string> | undefined,
  ): Promise<JsonObject | undefined> {
    if (request.method === "subscriptions/listen") return this.#listens.open(request, signal);
    if (Object.hasOwn(listKinds, request.method) && isRetry(request))
      return rpcError(request.id, rpcCode.invalidParams, "nothing is asked with a list");
    const key = idKey(request.id);
    if (metaOf(paramsOf(request))[metaKey.logLevel] !== undefined) this.#logged.add(key);
    try {
      return await this.#answer(request, signal, headers);
    } finally {
      this.#logged.delete(key);
    }
  }

  notified({ method }: RpcNotification): void {
    // The one that this revision has is a cancellation.
    this.#ground.log("client", `the notification \`${method.slice(0, 100)}\` is not passed on`);
  }

  answered(): void {
    this.#ground.log("client", "it answered, where nobody can ask");
  }

  asked({ name }: Upstream, { method }: RpcRequest): Promise<void> {
    this.#ground.log(
      name,
      `it asked \`${method.slice(0, 100)}\` outside of an answer; that is not passed on`,
    );
    return Promise.resolve();
  }

  cancelled(): void {
    // Nothing was asked that could be cancelled; the end of a subscription is its answer.
  }

  /** Progress goes to whoever gave the token; a line of a log to the one request that it can be about. */
  said(message: JsonObject, related: readonly RequestId[]): void {
    const { toClient } = this.#ground;
    if (message["method"] === "notifications/progress") return toClient(message, related);
    if (message["method"] !== "notifications/message") return;
    const wanted = related.filter((id) => this.#logged.has(idKey(id)));
    if (wanted.length > 0) toClient(message, wanted);
  }

  /** Of resources the client is told by subscriptions alone. */
  mayRead(): boolean {
    return false;
  }

  changed(...lists: readonly ListName[]): void {
    this.#announcements.changed(...lists);
  }

  restarted(upstream: Upstream): void {
    this.#watch.watch(upstream);
  }

  authorityChanged(): void {
    const { requests, upstreams } = this.#ground;
    this.changed(...upstreams.lists());
    this.#listens.recheck(ledgerOf(requests.audit).state.suspended.has(requests.agentId));
  }

  close(): void {
    this.#announcements.close();
    this.#listens.close();
    this.#watch.close();
  }

  async end(): Promise<void> {
    await this.#ground.end();
  }

  async #answer(
    request: RpcRequest,
    signal: AbortSignal,
    headers: ReadonlyMap<string, string> | undefined,
  ): Promise<JsonObject | undefined> {
    const retry = retryOf(this.#input, request);
    const { message, upstream } = await answerRequest(this.#ground.requests, retry.request, signal, {
      ...retry.facts,
      envelope: envelopeOf(request),
      isUnknown: removed.includes(request.method),
      ...(headers === undefined ? {} : { headers }),
    });
    const result = message?.["result"];
    if (message === undefined || !isJsonObject(result)) return message;
    if (!asksForInput(result)) return { ...message, result: completed(request, result) };
    const guarded = await guardQuestions(this.#input, request, upstream, result, signal);
    const asked = guarded?.["result"];
    return isJsonObject(asked) ? { ...guarded, result: completed(request, asked) } : guarded;
  }
}

/** Every result says what it is; a list is for the agent whose list it is, and for nobody else's cache. */
function completed({ method }: RpcRequest, result: JsonObject): JsonObject {
  const typed = { resultType: "complete", ...result };
  if (!Object.hasOwn(listKinds, method)) return typed;
  const { ttlMs } = result;
  return { ...typed, ttlMs: typeof ttlMs === "number" && ttlMs >= 0 ? ttlMs : 0, cacheScope: "private" };
}
