import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import { SynapseError, TokenError } from "../../model/errors.js";
import type { TokenKey } from "./token-key.js";

/** Somebody whose tokens are believed: which of them, and with which keys. */
export interface TrustedIssuer {
  /** The `iss` of its tokens, exactly. */
  readonly issuer: string;
  /** Never what a token asks for: `none` and HMAC with a public key as its secret are how verifiers are fooled. */
  readonly algorithms: readonly string[];
  /** `typ` that its tokens must have; undefined where providers differ. */
  readonly type: string | undefined;
  /** The claim that names the agent. */
  readonly agentClaim: string;
  readonly keyFor: JWTVerifyGetKey;
}

/** The database's own key, for tokens of `synapse token issue`. */
export function ownIssuer(key: TokenKey): TrustedIssuer {
  return Object.freeze({
    issuer: key.issuer,
    algorithms: Object.freeze(["EdDSA"]),
    type: "at+jwt",
    agentClaim: "sub",
    keyFor: async ({ kid }) => {
      if (kid === key.id) return key.publicKey;
      throw new TokenError("token_unknown_key", "the token is signed with another key than this database's");
    },
  } satisfies TrustedIssuer);
}

/** Bounds on fetching a provider's keys: a slow or huge answer must not hold up every caller. */
const fetchMsMax = 5_000;
const keySetBytesMax = 256 * 1024;
/** Keys are fetched again after that time, … */
const cacheMs = 10 * 60 * 1_000;
/** … or for a key that is not known, but not more often than that: tokens with made-up key ids cost nothing. */
const cooldownMs = 30_000;

/**
 * An OAuth 2.1 provider. Its keys are fetched when they are first needed, and kept.
 *
 * @param options `issuer`: as in its tokens; `jwks`: the URL of its keys, https, or http on this machine;
 * `agentClaim`: what names the agent, `sub` by default.
 * @throws SynapseError `invalid_issuer`.
 */
export function oauthIssuer(options: {
  readonly issuer: string;
  readonly jwks: string;
  readonly agentClaim?: string;
}): TrustedIssuer {
  if (!URL.canParse(options.issuer))
    throw invalid(`the issuer \`${options.issuer}\` is not a URL`, "as it stands in `iss` of its tokens");
  if (!URL.canParse(options.jwks)) throw invalid(`\`${options.jwks}\` is not a URL`);
  const url = new URL(options.jwks);
  const isLocal = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  // Whoever can answer in the provider's place signs whatever they like.
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal))
    throw invalid(`the keys at \`${options.jwks}\` are not fetched over https`);
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: fetchMsMax,
    cacheMaxAge: cacheMs,
    cooldownDuration: cooldownMs,
    [customFetch]: boundedFetch,
  });
  return Object.freeze({
    issuer: options.issuer,
    algorithms: Object.freeze(["RS256", "ES256", "EdDSA", "Ed25519"]),
    type: undefined,
    agentClaim: options.agentClaim ?? "sub",
    keyFor: async (header, token) => {
      // Without a name any key of the set would do, the retired ones included.
      if (header.kid === undefined)
        throw new TokenError("token_unknown_key", "the token does not name its key");
      return keys(header, token);
    },
  } satisfies TrustedIssuer);
}

/** Redirects are refused by the options that come with it. */
async function boundedFetch(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > keySetBytesMax) throw new Error(`the keys take more than ${keySetBytesMax} bytes`);
    chunks.push(bytes);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}

function invalid(message: string, hint?: string): SynapseError {
  return new SynapseError("invalid_issuer", message, { hint });
}
