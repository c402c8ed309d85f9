import type { EffectGate, EffectGrant, HttpHandle, HttpResponse, SecretProvider } from "../../core/ports.js";
import { EffectFailedError } from "../../model/errors.js";
import { checkedAddresses, systemLookup, type Lookup } from "./http-address.js";
import { contentBytes } from "./content.js";
import { exchange, type WireRequest } from "./http-exchange.js";
import { locationOf, nextHop, type Hop } from "./http-redirect.js";
import {
  isHeaderValue,
  printHttpCall,
  readHttpCall,
  refuseForbidden,
  type HttpCall,
} from "./http-request.js";
import { joined, toHttpResponse, type HttpAnswer } from "./http-response.js";
import { withinTime } from "./http-time.js";
import { canonicalUrl, httpCapability } from "./http-url.js";
import { createSecretScope, hasSecretReference, type SecretScope } from "./secret-reference.js";

export interface HttpOptions {
  /** Default: the system's resolver. Asked once per hop and name, never for IP literals. */
  readonly lookup?: Lookup;
  /** Default 10 s, for each hop. */
  readonly connectTimeoutMs?: number;
  /** Default 60 s, for the whole request, redirects and body included. */
  readonly totalTimeoutMs?: number;
  /** Default 8 MiB, for the body sent and for the body of the answer. */
  readonly bodyBytesMax?: number;
  /** Default 5. */
  readonly redirectsMax?: number;
  /** Resolves `secret://name` in header values and text bodies. Without one there are no secrets. */
  readonly secrets?: SecretProvider;
  /** Certificate authorities (PEM) to trust instead of Node's own list. */
  readonly ca?: string | readonly string[];
}

type Settings = Omit<Required<HttpOptions>, "secrets" | "ca"> & Pick<HttpOptions, "secrets" | "ca">;

const defaults = {
  lookup: systemLookup,
  connectTimeoutMs: 10_000,
  totalTimeoutMs: 60_000,
  bodyBytesMax: 8 * 1024 * 1024,
  redirectsMax: 5,
};

/**
 * The `net` powers of one step (SEMANTICS H4).
 *
 * Besides what the gate throws: CapabilitySyntaxError or InvalidDataError for a malformed request;
 * EffectDeniedError `forbidden_method`, `forbidden_header`, `private_address`, `insecure_redirect`;
 * EffectFailedError `dns_failed`, `connect_failed`, `tls_failed`, `timeout`, `too_large`,
 * `too_many_redirects`, `bad_response`, `unsupported_encoding`, `unknown_secret`, `invalid_secret`,
 * `cancelled`. A status such as 404 is an answer, not an error.
 */
export function createHttpHandle(gate: EffectGate, options: HttpOptions = {}): HttpHandle {
  const settings: Settings = { ...defaults, ...options };
  return Object.freeze({
    async request(argument: unknown): Promise<HttpResponse> {
      const call = readHttpCall(argument);
      const use = {
        kind: "http.request",
        capabilities: [httpCapability(call.method, call.url)],
        request: printHttpCall(call),
      };
      return gate.perform(use, async (grant) => {
        refuseForbidden(call);
        const host = canonicalUrl(call.url).host;
        const reasons = {
          late: () => new EffectFailedError("timeout", `the request to \`${host}\` took too long`),
          cancelled: () => new EffectFailedError("cancelled", `the request to \`${host}\` was cancelled`),
        };
        return withinTime(gate.signal, settings.totalTimeoutMs, reasons, (signal) =>
          follow(call, settings, grant, signal),
        );
      });
    },
  });
}

/** Sends the request and whatever it is redirected to, each hop checked before it is connected. */
async function follow(
  call: HttpCall,
  settings: Settings,
  grant: EffectGrant,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const scope = createSecretScope(settings.secrets);
  const limits = { ...settings, bodyBytesMax: Math.min(settings.bodyBytesMax, grant.bytesMax) };
  let hop: Hop = { ...call, url: canonicalUrl(call.url) };
  for (let redirects = 0; ; redirects++) {
    grant.reached(httpCapability(hop.method, hop.url.href));
    const addresses = await checkedAddresses(hop.url.hostname, settings.lookup, grant.allowPrivate, signal);
    const answer = await exchange(await toWire(hop, scope, settings), addresses, limits, signal);
    const location = locationOf(answer, hop.url);
    if (location === undefined) return toHttpResponse(redacted(answer, scope));
    // Followed, it would take a secret to whatever the server names, and into the record of the hop.
    if (scope.redactBinary(location) !== location) {
      throw new EffectFailedError("bad_response", `\`${hop.url.host}\` puts a secret into a redirect`);
    }
    if (redirects === settings.redirectsMax) {
      throw new EffectFailedError("too_many_redirects", `more than ${settings.redirectsMax} redirects`);
    }
    hop = nextHop(hop, answer.status, location);
  }
}

/** Secrets are filled in here: after the checks, and into nothing that is recorded. */
async function toWire(hop: Hop, scope: SecretScope, settings: Settings): Promise<WireRequest> {
  const headers: [string, string][] = [["accept-encoding", "identity"]];
  if (!hop.headers.some(([name]) => name === "accept")) headers.push(["accept", "*/*"]);
  if (!hop.headers.some(([name]) => name === "user-agent")) headers.push(["user-agent", "synapse-pipeline"]);
  for (const [name, value] of hop.headers) {
    const filled = await scope.fill(value);
    if (!isHeaderValue(filled)) {
      throw new EffectFailedError(
        "invalid_secret",
        `the secret in header \`${name}\` is not printable ASCII`,
      );
    }
    headers.push([name, filled]);
  }
  const { url, method } = hop;
  if (hop.body === undefined) return { url, method, headers, body: undefined };
  const content =
    typeof hop.body === "string" && hasSecretReference(hop.body) ? await scope.fill(hop.body) : hop.body;
  const body = contentBytes(content);
  if (body.length > settings.bodyBytesMax) {
    throw new EffectFailedError("too_large", `the request's body is over ${settings.bodyBytesMax} bytes`);
  }
  return { url, method, headers, body };
}

function redacted(answer: HttpAnswer, scope: SecretScope): HttpAnswer {
  const headers = Object.entries(answer.headers).map(
    ([name, value]) => [name, scope.redactBinary(joined(value))] as const,
  );
  return { status: answer.status, headers: Object.fromEntries(headers), body: scope.redact(answer.body) };
}
