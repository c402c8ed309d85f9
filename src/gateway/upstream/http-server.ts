import type { TokenSource } from "./oauth/token-source.js";

/** How a streamable HTTP server is reached. */
export interface HttpServer {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly tokens?: TokenSource | undefined;
}

/** One request to it. */
export interface Asking {
  readonly method?: "POST" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}
