import type { JsonBytes } from "../../core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../model/errors.js";
import type { HttpCall } from "./http-request.js";
import type { HttpAnswer } from "./http-response.js";
import { redirectTarget } from "./http-url.js";
import { hasSecretReference } from "./secret-reference.js";

/** One request of a chain of redirects, secrets still as references. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: HttpCall["headers"];
  readonly body: string | JsonBytes | undefined;
}

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/**
 * All that another origin gets to see of the caller's headers. A list of what is safe and not of what is
 * secret: `X-Api-Key` and its many relatives are credentials as much as `Authorization` is.
 */
const crossOriginHeaders = new Set(["accept", "accept-language", "content-type", "user-agent"]);

/**
 * The address an answer redirects to, as the server wrote it; undefined when it does not redirect.
 * @throws EffectFailedError `bad_response`: two addresses, of which each reader picks another.
 */
export function locationOf(answer: HttpAnswer, from: URL): string | undefined {
  if (!redirectStatuses.has(answer.status)) return undefined;
  const { location } = answer.headers;
  if (!Array.isArray(location)) return location;
  throw new EffectFailedError("bad_response", `\`${from.host}\` redirects to several addresses at once`);
}

/**
 * The request that follows a redirect (RFC 9110, 15.4). 303, and 301 or 302 after POST, become GET
 * without a body, as every browser does; 307 and 308 keep both.
 *
 * @throws EffectDeniedError `insecure_redirect`: to plain http, or a body with a secret to another origin;
 *   EffectFailedError `bad_response`: an address that is none.
 */
export function nextHop(hop: Hop, status: number, location: string): Hop {
  const toGet =
    (status === 303 && hop.method !== "GET" && hop.method !== "HEAD") ||
    ((status === 301 || status === 302) && hop.method === "POST");
  const method = toGet ? "GET" : hop.method;
  const body = toGet ? undefined : hop.body;
  const url = redirectTarget(hop.url, location, method);
  const sameOrigin = url.origin === hop.url.origin;
  if (!sameOrigin && typeof body === "string" && hasSecretReference(body)) {
    throw new EffectDeniedError(
      "insecure_redirect",
      `\`${hop.url.host}\` redirects a body with a secret elsewhere`,
    );
  }
  const headers = hop.headers.filter(
    ([name, value]) =>
      (sameOrigin || (crossOriginHeaders.has(name) && !hasSecretReference(value))) &&
      !(toGet && name.startsWith("content-")),
  );
  return { url, method, headers, body };
}
