import type { HttpResponse } from "../../core/ports.js";
import { toContent } from "./content.js";

/** One answer of a server, its body whole and within bounds. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: Buffer;
}

/**
 * Headers that say when, over which connection or through which machine an answer came. They differ
 * between two runs in which the world answered the same, so an output with them could never be replayed
 * and compared (SEMANTICS R2). Cookies are credentials for a session that nobody keeps.
 */
const perConnection = new Set([
  "age",
  "alt-svc",
  "cf-cache-status",
  "cf-ray",
  "connection",
  "content-length",
  "date",
  "etag",
  "expires",
  "keep-alive",
  "last-modified",
  "nel",
  "report-to",
  "reporting-endpoints",
  "server-timing",
  "set-cookie",
  "traceparent",
  "tracestate",
  "transfer-encoding",
  "via",
  "x-amz-id-2",
  "x-cache",
  "x-cache-hits",
  "x-fastly-request-id",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-ratelimit-used",
  "x-response-time",
  "x-runtime",
  "x-served-by",
  "x-timer",
]);
const requestId = /^(x-)?([a-z0-9]+-)*(request|correlation|trace|transaction|span|invocation)-?id$/;

/** What is given out of an answer: lower-cased, sorted headers that belong to the resource, and the content. */
export function toHttpResponse(answer: HttpAnswer): HttpResponse {
  const headers = Object.entries(answer.headers)
    .map(([name, value]) => [name.toLowerCase(), joined(value)] as const)
    .filter(([name]) => !perConnection.has(name) && !requestId.test(name) && name !== "__proto__")
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.freeze({
    status: answer.status,
    headers: Object.freeze(Object.fromEntries(headers)),
    ...toContent(answer.body),
  });
}

/** One header's value; repeated ones as one list (RFC 9110, 5.3). Undefined counts as empty. */
export function joined(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}
