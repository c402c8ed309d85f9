import type { JsonObject } from "../../model/json.js";
import type { GatewayConfig } from "../config/config-file.js";
import type { GatewayServer } from "../config/server.js";
import {
  isRequestId,
  paramsOf,
  type RequestId,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  rpcResult,
} from "../protocol/json-rpc.js";
import { UpstreamConnection } from "../upstream/connection.js";
import { openLinkTo } from "../upstream/open-link.js";
import { type ListName, listNamed } from "./announcements.js";
import { Upstream } from "./upstream.js";

/** What servers do that their session has to know. */
export interface UpstreamSink {
  /** `related`: the client's requests that the server works on. */
  toClient(message: JsonObject, related: readonly RequestId[]): void;
  /** The answer to a request of the client comes as a stream (upstream/link.ts). */
  streams(request: RequestId, pausedMs: number | undefined): void;
  asks(upstream: Upstream, request: RpcRequest): void;
  cancels(upstream: Upstream, id: RequestId): void;
  changed(list: ListName): void;
  /** One was started again: what it was asked to tell of, it does not know any more. */
  restarted(upstream: Upstream): void;
  mayRead(upstream: Upstream, uri: string): boolean;
  /** A server does not take messages as fast as the client sends them; then it does again. */
  slow(): void;
  fast(): void;
  log(server: string, text: string): void;
}

/** The servers of one session, and what goes to and comes from all of them. */
export class SessionUpstreams {
  readonly all: readonly Upstream[];
  readonly #sink: UpstreamSink;
  readonly #slow = new Set<string>();
  #lastId = 0;

  /** @param gateway its name and version. */
  constructor(config: GatewayConfig, gateway: JsonObject, sink: UpstreamSink) {
    this.#sink = sink;
    this.all = config.servers.map((server) => this.#upstream(server, config, gateway));
  }

  /** The lists that some server has. */
  lists(): readonly ListName[] {
    return (["tools", "prompts", "resources"] as const).filter((list) =>
      this.all.some((upstream) => upstream.capability(list) !== undefined),
    );
  }

  pause(): void {
    for (const { connection } of this.all) connection.pause();
  }

  resume(): void {
    for (const { connection } of this.all) connection.resume();
  }

  close(): void {
    for (const { connection, asked } of this.all) {
      asked.failAll("the session is over");
      connection.close();
    }
  }

  notifyAll(message: RpcNotification): void {
    for (const { connection } of this.all) connection.notify(message);
  }

  /** The answer to what a server asked. @returns false: nobody asked, or does any more. */
  settle(response: RpcResponse): boolean {
    // Numbers are given once in a session, so at most one of them waits for it.
    return this.all.some(({ asked }) => asked.settle(response) === undefined);
  }

  /** How something goes that a server asked for. */
  progressOfClient(message: RpcNotification): void {
    for (const { asked, connection } of this.all) {
      const own = asked.progress(message);
      if (own !== undefined) connection.notify(own);
    }
  }

  /** For every server that logs; one that does not is not asked. */
  async setLevel(request: RpcRequest, signal: AbortSignal): Promise<JsonObject> {
    const [only] = this.all;
    if (this.all.length === 1 && only !== undefined)
      return { ...(await only.connection.request(request, signal)), id: request.id };
    const logging = this.all.filter((upstream) => upstream.capability("logging") !== undefined);
    const answers = await Promise.all(logging.map(({ connection }) => connection.request(request, signal)));
    const failed = answers.find((answer) => "error" in answer);
    return failed === undefined ? rpcResult(request.id, {}) : { ...failed, id: request.id };
  }

  /** A server says that a list of it is another one. */
  listChanged(upstream: Upstream, list: ListName): void {
    if (list === "tools") upstream.catalogue.forget();
    this.#sink.changed(list);
  }

  #upstream(server: GatewayServer, config: GatewayConfig, gateway: JsonObject): Upstream {
    const { name } = server;
    const connection = new UpstreamConnection(name, gateway, openLinkTo(server.transport, config.message), {
      request: (request) => this.#sink.asks(upstream, request),
      streams: (request, pausedMs) => this.#sink.streams(request, pausedMs),
      notification: (message, related) => this.#takeNotification(upstream, message, related),
      restarted: () => {
        upstream.restarted();
        this.#sink.restarted(upstream);
        for (const list of this.lists()) this.#sink.changed(list);
      },
      slow: () => {
        this.#slow.add(name);
        this.#sink.slow();
      },
      drained: () => {
        if (this.#slow.delete(name) && this.#slow.size === 0) this.#sink.fast();
      },
      log: (text) => this.#sink.log(name, text),
    });
    const upstream: Upstream = new Upstream(server, connection, () => ++this.#lastId);
    return upstream;
  }

  #takeNotification(upstream: Upstream, message: RpcNotification, related: readonly RequestId[]): void {
    const list = listNamed(message.method);
    if (list !== undefined) return this.listChanged(upstream, list);
    const params = paramsOf(message);
    switch (message.method) {
      case "notifications/progress":
      case "notifications/message":
      case "notifications/elicitation/complete":
        return this.#sink.toClient(message, related);
      case "notifications/resources/updated": {
        const { uri } = params;
        if (typeof uri === "string" && this.#sink.mayRead(upstream, uri)) this.#sink.toClient(message, []);
        return;
      }
      case "notifications/cancelled": {
        const id = params["requestId"];
        if (isRequestId(id)) this.#sink.cancels(upstream, id);
        return;
      }
      default:
        this.#sink.log(
          upstream.name,
          `its notification \`${message.method.slice(0, 100)}\` is not passed on`,
        );
    }
  }
}
