import { EffectFailedError } from "../../../model/errors.js";
import { reasonOf } from "../http-answer.js";
import { readChallenge } from "./challenge.js";
import { discover, type TokenEndpoint } from "./discover.js";
import { fetchJson } from "./fetch-json.js";

/** A client of an authorization server, as the operator registered it (RFC 6749, 4.4). */
export interface OauthClient {
  /** Of the authorization server: the operator's word, since its secret goes there. */
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | undefined;
}

/** Gives the tokens that one server wants of the gateway itself: never one that a client of the gateway has. */
export interface TokenSource {
  /** @returns the token to send; undefined: the server has not asked for one yet. @throws EffectFailedError */
  token(): Promise<string | undefined>;
  /**
   * The server answered 401.
   *
   * @param used the token that it was sent.
   * @param challenge its `WWW-Authenticate`.
   * @returns the token to ask again with; undefined: there is no other.
   * @throws EffectFailedError `upstream_oauth`
   */
  refused(used: string | undefined, challenge: string | null): Promise<string | undefined>;
}

interface Held {
  readonly token: string;
  /** Of `performance.now()`, ms. */
  readonly goodUntil: number;
}

/** A token is not sent in its last moments: it could end on the way. */
const marginMs = 30_000;
const lifetimeMsDefault = 300_000;
/** How long a failure stands before the authorization server is asked again: a broken one is not hammered. */
const cooldownMs = 5_000;

/**
 * Tokens by the client credentials grant, kept until they end and shared by all sessions; however many calls wait
 * for one, it is asked for once.
 */
export function tokenSource(server: string, client: OauthClient): TokenSource {
  let endpoint: TokenEndpoint | undefined;
  let held: Held | undefined;
  let asking: Promise<Held> | undefined;
  let failure: { readonly error: Error; readonly until: number } | undefined;
  const renew = (hint?: string): Promise<Held> => {
    if (failure !== undefined && performance.now() < failure.until) return Promise.reject(failure.error);
    asking ??= (async () => {
      endpoint ??= await discover(new URL(server), client.issuer, hint);
      return (held = await askFor(endpoint, client));
    })()
      .catch((error: unknown) => {
        // Where tokens are had may have changed: it is found out anew.
        endpoint = undefined;
        failure = { error: asFailure(error), until: performance.now() + cooldownMs };
        throw failure.error;
      })
      .finally(() => (asking = undefined));
    return asking;
  };
  return Object.freeze({
    token: async () => {
      if (held === undefined) return undefined;
      return performance.now() < held.goodUntil ? held.token : (await renew()).token;
    },
    refused: async (used: string | undefined, challenge: string | null) => {
      // Another call may have got a new one meanwhile.
      if (held !== undefined && held.token !== used) return held.token;
      const { token } = await renew(readChallenge(challenge).resourceMetadata);
      return token === used ? undefined : token;
    },
  });
}

async function askFor({ url, method, resource }: TokenEndpoint, client: OauthClient): Promise<Held> {
  const { clientId, clientSecret, scope } = client;
  const basic = method === "client_secret_basic";
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    resource,
    ...(scope === undefined ? {} : { scope }),
    ...(basic ? {} : { client_id: clientId, client_secret: clientSecret }),
  });
  // RFC 6749, 2.3.1: both parts are encoded before they are joined.
  const credentials = [clientId, clientSecret].map((part) => encodeURIComponent(part)).join(":");
  const { status, body } = await fetchJson(url, {
    method: "POST",
    headers: {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      ...(basic ? { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` } : {}),
    },
    body: form.toString(),
  });
  if (status !== 200 || body === undefined) {
    const error = body?.["error"];
    // RFC 6749, 5.2: a code of a known shape. What else the answer says may hold anything.
    const code = typeof error === "string" && /^[\w-]{1,64}$/.test(error) ? ` (\`${error}\`)` : "";
    throw failed(`the authorization server gave no token: status ${status}${code}`);
  }
  const { access_token: token, token_type: type, expires_in: seconds } = body;
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,8192}$/.test(token))
    throw failed("the authorization server gave no token that can be sent");
  if (typeof type !== "string" || type.toLowerCase() !== "bearer")
    throw failed("the authorization server gave a token of another type than `Bearer`");
  const lifetimeMs = typeof seconds === "number" && seconds > 0 ? seconds * 1_000 : lifetimeMsDefault;
  return { token, goodUntil: performance.now() + lifetimeMs - marginMs };
}

function asFailure(error: unknown): Error {
  if (error instanceof EffectFailedError) return error;
  return failed(`the authorization server cannot be asked: ${reasonOf(error)}`);
}

function failed(message: string): EffectFailedError {
  return new EffectFailedError("upstream_oauth", message);
}
