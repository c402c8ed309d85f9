import type { RequestId, RpcNotification, RpcRequest } from "../protocol/json-rpc.js";

/** What a connection tells its session. */
export interface UpstreamEvents {
  /** The server asks something of the client; answered with `respond`. */
  request(message: RpcRequest): void;
  /** `related`: the client's requests that it may be about. */
  notification(message: RpcNotification, related: readonly RequestId[]): void;
  /** How the answer to a request of the client comes: link.ts. */
  streams(id: RequestId, pausedMs: number | undefined): void;
  /** The server is there again, and may be another one than before. */
  restarted(): void;
  /** It does not take messages as fast as they come: no more should be made until `drained`. */
  slow(): void;
  drained(): void;
  log(text: string): void;
}

/** What goes with a request beside its message. */
export interface RequestCompany {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly hears?: ((message: RpcNotification) => void) | undefined;
}

/** What is known of a server's revisions when it was asked. */
export interface Discovered {
  /** `stateless`: it was begun with. */
  readonly kind: "stateless" | "other";
  /** Those that it named. */
  readonly spoken: readonly string[];
}
