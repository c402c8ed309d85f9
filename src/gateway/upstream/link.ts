import type { RequestId } from "../protocol/json-rpc.js";
import type { JsonObject, JsonValue } from "../../model/json.js";

/** What a link tells of. */
export interface LinkEvents {
  /**
   * A message, in the order in which the server sent it.
   *
   * @param stream the request on whose own stream it came, over transports that have such.
   */
  message(value: JsonValue, stream?: RequestId): void;
  /** A request could not be delivered, or its answer will not come; others are not concerned. */
  undelivered(id: RequestId, why: string): void;
  /**
   * The answer to a request comes as a stream of events. `pausedMs`: the server has ended the stream, and goes on with
   * it when it is asked again after that time (MCP 2025-11-25, transports).
   */
  streams?(id: RequestId, pausedMs?: number): void;
  /** Once: nothing comes any more. `why` is for the operator. */
  closed(why: string): void;
  /** A line for the operator: what the server wrote on standard error, what it sent that is no message. */
  log(text: string): void;
}

/** One connection to one MCP server, whatever the transport: messages go in and come out. */
export interface Link {
  /**
   * Sends a message; false: the server is slow, wait for `onDrain` before making more.
   *
   * @param headers that say the same as the message, over HTTP.
   */
  send(message: JsonObject, headers?: Readonly<Record<string, string>>): boolean;
  /** Nobody waits for a request any more: tells the server so, in the way of the transport. */
  cancel(id: RequestId): void;
  /** The revision that was agreed on, which some transports say with every message. */
  agreed(protocolVersion: string): void;
  /** Stops and starts the flow of messages from the server. */
  pause(): void;
  resume(): void;
  onDrain(listener: () => void): void;
  /** Ends it, and the server with it where it was started by us. `closed` is told when that is done. */
  close(): void;
}

/** Begins a connection. Whatever fails is told by `closed`, never thrown. */
export type OpenLink = (events: LinkEvents) => Link;

/** For servers that are told of it by a message. */
export function cancellation(id: RequestId): JsonObject {
  const reason = "the gateway does not wait for it any more";
  return { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id, reason } };
}
