import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import { TokenError } from "../../model/errors.js";
import { isIdentifier } from "../../model/identifier.js";
import type { TrustedIssuer } from "./trusted-issuer.js";

/** Who asks, as their token proves. */
export interface TokenHolder {
  readonly agentId: string;
  readonly issuer: string;
  /** The token's `jti`, when it has one. */
  readonly tokenId: string | undefined;
  /** Milliseconds since the Unix epoch; what the holder has begun ends then too. */
  readonly expiresAt: number;
}

export interface TokenVerifier {
  /** @throws TokenError */
  verify(token: string): Promise<TokenHolder>;
}

/** Far more than any token needs; what is longer is not even split. */
const charactersMax = 8 * 1024;
/** What clocks of two machines may differ by. */
const skewSeconds = 30;

/**
 * Believes tokens that one of `issuers` signed for exactly this audience. A token for another server is no good here
 * even if it is genuine: else whoever runs that server could act as the agent at this one (RFC 8707, and the MCP
 * specification on token passthrough).
 *
 * It says who asks, and nothing of what they may do: a suspended agent, or one without bindings, is denied
 * when it acts (SEMANTICS A7), so that taking authority away needs no list of revoked tokens.
 *
 * @param options `now`: milliseconds since the Unix epoch.
 */
export function tokenVerifier(options: {
  readonly audience: string;
  readonly issuers: readonly TrustedIssuer[];
  readonly now: () => number;
}): TokenVerifier {
  const { audience, now } = options;
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
  return Object.freeze({
    verify: async (token: string) => {
      assertCompact(token);
      const trusted = issuerOf(token, issuers);
      const payload = await verified(token, trusted, audience, new Date(now()));
      return holderOf(payload, trusted);
    },
  });
}

/**
 * The token of an `Authorization` header (RFC 6750, 2.1). Tokens in URLs are not read at all: URLs end up in logs.
 *
 * @throws TokenError `token_missing`
 */
export function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +([^ ]+) *$/i.exec((authorization ?? "").slice(0, charactersMax + 64))?.[1];
  if (token === undefined)
    throw new TokenError("token_missing", "the request has no bearer token", {
      hint: "send `Authorization: Bearer TOKEN`; synapse token issue makes one",
    });
  return token;
}

function assertCompact(token: string): void {
  if (typeof token !== "string" || token.length > charactersMax)
    throw new TokenError("token_malformed", `the token is longer than ${charactersMax} characters`);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw new TokenError("token_malformed", "the token is not a signed JWT");
}

/** What the token claims of itself only chooses whose keys it has to be signed with. */
function issuerOf(token: string, issuers: ReadonlyMap<string, TrustedIssuer>): TrustedIssuer {
  let claimed: unknown;
  try {
    claimed = decodeJwt(token).iss;
  } catch (cause) {
    throw new TokenError("token_malformed", "the token's claims cannot be read", { cause });
  }
  const trusted = typeof claimed === "string" ? issuers.get(claimed) : undefined;
  if (trusted === undefined)
    throw new TokenError("token_unknown_issuer", "the token is from somebody who is not trusted here");
  return trusted;
}

async function verified(
  token: string,
  { issuer, algorithms, type, keyFor }: TrustedIssuer,
  audience: string,
  currentDate: Date,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keyFor, {
      issuer,
      audience,
      algorithms: [...algorithms],
      ...(type === undefined ? {} : { typ: type }),
      currentDate,
      clockTolerance: skewSeconds,
      requiredClaims: ["exp", "iat"],
    });
    // The library looks at `iat` only where ages are limited.
    if ((payload.iat ?? 0) > Math.floor(currentDate.getTime() / 1_000) + skewSeconds)
      throw new TokenError("token_not_yet_valid", "the token was issued in the future");
    return payload;
  } catch (error) {
    throw error instanceof TokenError ? error : refusalOf(error);
  }
}

function refusalOf(error: unknown): TokenError {
  const refuse = (code: TokenError["code"], message: string, hint?: string) =>
    new TokenError(code, message, { hint, cause: error });
  if (error instanceof errors.JWTExpired) return refuse("token_expired", "the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud")
      return refuse("token_wrong_audience", "the token is for another server", "issue one with --audience");
    if (error.claim === "nbf") return refuse("token_not_yet_valid", "the token is not valid yet");
    return refuse("token_malformed", `the token's \`${error.claim}\` is missing or not as it has to be`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refuse("token_bad_signature", "the token's signature is not that of its issuer");
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refuse("token_bad_signature", "the token is signed in a way that is not accepted");
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return refuse("token_unknown_key", "the token is signed with a key that its issuer does not have");
  if (
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported
  )
    return refuse("token_malformed", "the token is not a JWT that is accepted here");
  // No answer, a wrong one, keys that are none: nothing is known of the token, so it is refused.
  return refuse("token_keys_unavailable", "the issuer's keys cannot be had");
}

function holderOf(payload: JWTPayload, { issuer, agentClaim }: TrustedIssuer): TokenHolder {
  const agentId = payload[agentClaim];
  if (!isIdentifier(agentId))
    throw new TokenError("token_without_agent", `the token's \`${agentClaim}\` is not an agent id`, {
      hint: "agent ids begin with a letter or digit and hold only those and . _ @ : -",
    });
  if (payload.exp === undefined) throw new TypeError("`exp` is required above");
  return Object.freeze({ agentId, issuer, tokenId: payload.jti, expiresAt: payload.exp * 1_000 });
}
