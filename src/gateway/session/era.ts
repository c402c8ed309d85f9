import type { JsonObject } from "../../model/json.js";
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from "../protocol/json-rpc.js";
import type { ListName } from "./announcements.js";
import type { Upstream } from "./upstream.js";

/** How a connection's two sides speak, once that is known: with a session of the protocol's, or without. */
export interface Era {
  /** The answer to a request that is new; undefined: it was cancelled. */
  answer(
    request: RpcRequest,
    signal: AbortSignal,
    headers: ReadonlyMap<string, string> | undefined,
  ): Promise<JsonObject | undefined>;
  /** A notification of the client, a cancellation aside. */
  notified(message: RpcNotification): void;
  /** The client answers something. */
  answered(response: RpcResponse): void;
  /** A server asks something. */
  asked(upstream: Upstream, request: RpcRequest): Promise<void>;
  /** A server does not wait for the answer any more. */
  cancelled(upstream: Upstream, id: RequestId): void;
  /** What a server says while it works on these requests. */
  said(message: JsonObject, related: readonly RequestId[]): void;
  mayRead(upstream: Upstream, uri: string): boolean;
  /** Lists are not what they were. */
  changed(...lists: readonly ListName[]): void;
  restarted(upstream: Upstream): void;
  /** What the agent may do is not what it was. */
  authorityChanged(): void;
  /** Nothing new is begun; what waits for the client is given up. */
  close(): void;
  /** To be called when nothing is under way any more. Durable when it resolves. */
  end(): Promise<void>;
}
