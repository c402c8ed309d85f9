import type { LookupFunction } from "node:net";
import type { Agent, Dispatcher } from "undici";
import { EffectFailedError } from "../../model/errors.js";
import type { ResolvedAddress } from "./http-address.js";
import { exchangeFailure } from "./http-failure.js";
import { joined, type HttpAnswer } from "./http-response.js";

/** One request as it goes over the wire, secrets filled in. */
export interface WireRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | undefined;
}

export interface ExchangeLimits {
  readonly connectTimeoutMs: number;
  readonly bodyBytesMax: number;
  /** Certificates (PEM) to trust instead of Node's own list. */
  readonly ca?: string | readonly string[] | undefined;
}

/**
 * Sends one request to one of the checked addresses and takes in the whole answer. No redirect is
 * followed, no proxy asked, nothing unpacked, no connection kept.
 *
 * @throws EffectFailedError `connect_failed`, `tls_failed`, `timeout`, `too_large`, `bad_response`,
 *   `unsupported_encoding`; the signal's reason when it is aborted.
 */
export async function exchange(
  request: WireRequest,
  addresses: readonly ResolvedAddress[],
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  signal.throwIfAborted();
  // Loaded when the first request is made: most runs of the command line make none, and it is the largest import.
  const undici = await import("undici");
  const agent = connectOnlyTo(undici.Agent, addresses, limits, signal);
  let connected = false;
  agent.on("connect", () => (connected = true));
  try {
    const response = await agent.request({
      origin: request.url.origin,
      path: request.url.pathname + request.url.search,
      method: request.method,
      headers: request.headers.flat(),
      body: request.body ?? null,
      signal,
    });
    refuseEncoded(response.headers["content-encoding"], request);
    const body = await readBody(response, request, limits.bodyBytesMax);
    return { status: response.statusCode, headers: response.headers, body };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof EffectFailedError ? error : exchangeFailure(error, request.url.host, connected);
  } finally {
    // Also drops what is still being sent to us: a body past its limit, a body of a redirect.
    await agent.destroy();
  }
}

/** A connection pool of its own for one request, which reaches the checked addresses and no others. */
function connectOnlyTo(
  AgentClass: typeof Agent,
  addresses: readonly ResolvedAddress[],
  { connectTimeoutMs, ca }: ExchangeLimits,
  signal: AbortSignal,
): Agent {
  // Asking the resolver again here is what DNS rebinding waits for.
  const lookup: LookupFunction = (_hostname, options, done) => {
    const [first] = addresses;
    if (options.all === true) done(null, [...addresses]);
    else done(null, first?.address ?? "", first?.family ?? 4);
  };
  const connect = {
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: Math.max(250, Math.floor(connectTimeoutMs / 4)),
    timeout: connectTimeoutMs,
    // Ends a connection that is still being made, which undici alone would wait for.
    signal,
    // Said explicitly, since NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment changes the default.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: typeof ca === "string" ? ca : [...ca] }),
  };
  // The whole request has one deadline, which a server that drips cannot put off: no timers per part.
  return new AgentClass({ connect, pipelining: 0, headersTimeout: 0, bodyTimeout: 0 });
}

/** We ask for plain bytes; what comes packed anyway may be a bomb and is not unpacked. */
function refuseEncoded(encoding: string | string[] | undefined, request: WireRequest): void {
  const named = joined(encoding).trim().toLowerCase();
  if (named === "" || named === "identity" || request.method === "HEAD") return;
  throw new EffectFailedError("unsupported_encoding", `\`${request.url.host}\` answers in an encoding`, {
    hint: "only plain (identity) bodies are taken, so that their size can be bounded",
  });
}

async function readBody(
  response: Dispatcher.ResponseData,
  request: WireRequest,
  bytesMax: number,
): Promise<Buffer> {
  const announced = Number(joined(response.headers["content-length"]));
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (request.method !== "HEAD") refuseOver(announced);
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    refuseOver(bytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);

  function refuseOver(size: number): void {
    if (size <= bytesMax || Number.isNaN(size)) return;
    throw new EffectFailedError(
      "too_large",
      `the answer of \`${request.url.host}\` is over ${bytesMax} bytes`,
    );
  }
}
