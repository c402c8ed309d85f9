import type { MessageLimits } from "../protocol/line-reader.js";
import type { OpenLink } from "./link.js";

/** How a streamable HTTP server is reached. */
export interface HttpServer {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export function httpLink(_server: HttpServer, _limits: MessageLimits): OpenLink {
  throw new Error("not yet");
}
