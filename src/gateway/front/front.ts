import type { JsonObject, JsonValue } from "../../model/json.js";
import type { RequestId } from "../protocol/json-rpc.js";

/** What a front hands to the session of its client. */
export interface FrontEvents {
  /**
   * A message of the client, in the order in which they came.
   *
   * @param headers over HTTP without sessions: the `Mcp-Param-…` that it came with, by their name in lower case.
   */
  message(value: JsonValue, headers?: ReadonlyMap<string, string>): void;
  /** Something that is no message. */
  unreadable(why: string): void;
  /** Once: the client is gone, or sent more than is taken. */
  ended(why: string): void;
  drained(): void;
}

/** One client's connection, whatever the transport. */
export interface Front {
  /** Names it in the log: a session's run is of the workflow `mcp:<name>`. */
  readonly name: string;
  /** Each message is by itself: no session can be begun here. */
  readonly isStateless?: boolean;
  /** Begins to hand over what the client sends. */
  start(events: FrontEvents): void;
  /**
   * False: the client is slow; whoever makes messages waits for `drained`.
   *
   * @param related the client's own requests that a server was working on when it sent this: over HTTP each request
   * has a stream of its own, and what belongs to it goes there.
   */
  send(message: JsonObject, related?: readonly RequestId[]): boolean;
  /**
   * The server answers a request of the client with a stream, or has ended that stream for a while: where each request
   * has a connection of its own, the client's is treated alike.
   *
   * @param pausedMs when the server is asked again, ms; undefined: the stream stands.
   */
  streams?(request: RequestId, pausedMs: number | undefined): void;
  /** Stops and starts the flow of messages from the client. */
  pause(): void;
  resume(): void;
  /** Nothing is handed over any more; what was sent is written out. */
  close(): void;
}
