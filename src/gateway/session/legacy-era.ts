import { isJsonObject, type JsonObject } from "../../model/json.js";
import {
  paramsOf,
  type RequestId,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from "../protocol/json-rpc.js";
import { Announcements, type ListName } from "./announcements.js";
import { answerRequest } from "./client-requests.js";
import type { Era } from "./era.js";
import { answerInitialize } from "./initialization.js";
import { ServerRequests } from "./server-requests.js";
import type { Ground } from "./session-ground.js";
import type { Upstream } from "./upstream.js";

/** Revisions with `initialize`, up to 2025-11-25: what both sides can do is said once, and servers may ask the client. */
export class LegacyEra implements Era {
  readonly #ground: Ground;
  readonly #fromServers: ServerRequests;
  readonly #announcements: Announcements;
  #initialization: RpcRequest | undefined;

  /** @param request `initialize`, which the first call of `answer` answers. */
  constructor(ground: Ground, request: RpcRequest) {
    const { requests, toClient } = ground;
    const capabilities = paramsOf(request)["capabilities"];
    this.#ground = ground;
    this.#initialization = request;
    this.#announcements = new Announcements((message) => toClient(message, []));
    this.#fromServers = new ServerRequests(
      requests.calls,
      isJsonObject(capabilities) ? capabilities : {},
      toClient,
    );
  }

  async answer(request: RpcRequest, signal: AbortSignal): Promise<JsonObject | undefined> {
    const { upstreams, requests, gateway, log } = this.#ground;
    if (request === this.#initialization) {
      this.#initialization = undefined;
      return answerInitialize(request, upstreams.all, gateway, log);
    }
    if (request.method === "logging/setLevel") return upstreams.setLevel(request, signal);
    return (await answerRequest(requests, request, signal)).message;
  }

  notified(message: RpcNotification): void {
    const { upstreams, log } = this.#ground;
    switch (message.method) {
      case "notifications/progress":
        return upstreams.progressOfClient(message);
      case "notifications/initialized":
      case "notifications/roots/list_changed":
        return upstreams.notifyAll(message);
      default:
        // A request without an id would be a request without an answer: nothing is done for it.
        log("client", `the notification \`${message.method.slice(0, 100)}\` is not passed on`);
    }
  }

  answered(response: RpcResponse): void {
    if (!this.#ground.upstreams.settle(response))
      this.#ground.log("client", "it answered something that it was not asked, or that has ended");
  }

  asked(upstream: Upstream, request: RpcRequest): Promise<void> {
    return this.#fromServers.take(upstream, request);
  }

  cancelled(upstream: Upstream, id: RequestId): void {
    this.#fromServers.cancel(upstream, id);
  }

  said(message: JsonObject, related: readonly RequestId[]): void {
    this.#ground.toClient(message, related);
  }

  mayRead({ server }: Upstream, uri: string): boolean {
    return this.#ground.requests.visibility.resource(server, uri);
  }

  changed(...lists: readonly ListName[]): void {
    this.#announcements.changed(...lists);
  }

  restarted(): void {
    // What it was initialized with is said to it again (upstream/connection.ts).
  }

  authorityChanged(): void {
    this.changed(...this.#ground.upstreams.lists());
  }

  close(): void {
    this.#announcements.close();
    this.#fromServers.close();
  }

  async end(): Promise<void> {
    await this.#ground.end();
  }
}
